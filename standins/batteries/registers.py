"""
The registers of SunSpec's models 1, 701, 702, 704 and 713 (https://github.com/sunspec/models, Apache-2.0): read from
the machine, and written to it. What this battery does not have is marked as SunSpec marks it.
"""

from collections.abc import Sequence

from standins.batteries.machine import Machine

BASE = 40_000
SUNS = [0x5375, 0x6E53]
NO_U16, NO_S16, NO_U32, NO_S32 = [0xFFFF], [0x8000], [0xFFFF, 0xFFFF], [0x8000, 0]
ILLEGAL_ADDRESS, ILLEGAL_VALUE = 2, 3
W_SCALE, WH_SCALE, PCT_SCALE, SET_SCALE, SET_PCT_SCALE = 3, 4, -1, 2, -2  # powers of ten: megawatts need them
NO_SCALE = 0x8000
LENGTHS = {1: 66, 701: 153, 702: 50, 704: 65, 713: 7}
PLACES: dict[int, int] = {}
for _model, _length in LENGTHS.items():
    PLACES[_model] = BASE + len(SUNS) + sum(LENGTHS[other] + 2 for other in PLACES)
ENA, MOD = PLACES[704] + 22, PLACES[704] + 23  # of setting power; what follows the mode is written with it
WRITABLE = range(MOD, PLACES[704] + 33)
RUNNING, STANDBY, PERCENT, WATTS = 3, 7, 0, 1


class Refused(Exception):
    """What Modbus calls an exception, with its code."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


class Registers:
    """A battery as addresses. What was written last stays until it is switched on, and after it is off again."""

    def __init__(self, machine: Machine) -> None:
        self._machine, self._mode = machine, PERCENT if machine.kind.in_percent else WATTS
        power = [*NO_S32, *NO_S32, 0, *NO_S16] if machine.kind.in_percent else [0, 0, *NO_S32, *NO_S16, *NO_S16]
        self._written = [self._mode, *power, 0, *_u32(0)]  # from the mode to the timer

    def read(self, start: int, count: int) -> list[int]:
        """So many from an address on."""
        words = [*SUNS, *self._models(), 0xFFFF, 0]
        if not 0 <= start - BASE <= start - BASE + count <= len(words):
            raise Refused(ILLEGAL_ADDRESS)
        return words[start - BASE : start - BASE + count]

    def write(self, start: int, values: Sequence[int]) -> None:
        """All of them or none. Switching it on, again too, starts the timer."""
        if (start, len(values)) == (ENA, 1):
            if values[0] not in (0, 1):
                raise Refused(ILLEGAL_VALUE)
            self._machine.tell(self._watts if values[0] else None, self._seconds)
        elif start in WRITABLE and start + len(values) - 1 in WRITABLE:
            self._keep(start - MOD, values)
        else:
            raise Refused(ILLEGAL_ADDRESS)

    @property
    def _watts(self) -> int:
        if self._mode == PERCENT:
            share = self._written[5] - (self._written[5] >> 15 << 16)
            return round(self._machine.kind.watts * share * 10.0**SET_PCT_SCALE / 100)
        value = self._written[1] << 16 | self._written[2]
        return round((value - (value >> 31 << 32)) * 10.0**SET_SCALE)

    @property
    def _seconds(self) -> int:
        return self._written[8] << 16 | self._written[9]

    def _keep(self, place: int, values: Sequence[int]) -> None:
        before = list(self._written)
        self._written[place : place + len(values)] = values
        if self._written[0] != self._mode or abs(self._watts) > self._machine.kind.watts:
            self._written = before
            raise Refused(ILLEGAL_VALUE)
        if self._machine.behaviour == "forgetful":
            self._written = before

    def _models(self) -> list[int]:
        return [word for model, words in self._contents().items() for word in (model, LENGTHS[model], *words)]

    def _contents(self) -> dict[int, list[int]]:
        machine, kind = self._machine, self._machine.kind
        rated = [kind.watts // 10**W_SCALE]
        power = round(machine.shown_watts / 10**W_SCALE) & 0xFFFF
        state = RUNNING if power else STANDBY
        common = [*_text("Gridlease", 16), *_text("Stand-in battery", 16), *_text("", 8), *_text("1.0", 8)]
        measured = [2, 1, state, 1, *_u32(0), *_u32(1), power, *NO_S16 * 100]
        return {
            1: [*common, *_text("STANDIN1", 16), 1, 0x8000],
            701: [*_scales(measured, 153, {114: W_SCALE})],
            702: _scales([*rated, *NO_U16 * 7, *rated, *rated, *NO_U16 * 14, *rated, *NO_U16 * 7, *rated, *rated],
                         50, {43: W_SCALE}),
            704: _scales(
                [*NO_U16 * 20, int(machine.told is not None), *self._written, *_u32(machine.reverts_in)], 65,
                {53: NO_SCALE, 54: SET_PCT_SCALE} if kind.in_percent else {53: SET_SCALE, 54: NO_SCALE},
            ),
            713: [kind.watt_hours // 10**WH_SCALE, round(machine.stored_wh / 10**WH_SCALE), round(machine.permille),
                  1000, 0, WH_SCALE, PCT_SCALE & 0xFFFF],
        }  # fmt: skip


def _scales(words: list[int], length: int, scales: dict[int, int]) -> list[int]:
    """So long, with what is not there marked, and with these scale factors."""
    filled = [*words, *NO_U16 * length][:length]
    for place, power in scales.items():
        filled[place] = power & 0xFFFF
    return filled


def _text(words: str, registers: int) -> list[int]:
    padded = words.encode().ljust(2 * registers, b"\0")
    return [padded[place] << 8 | padded[place + 1] for place in range(0, 2 * registers, 2)]


def _u32(value: int) -> list[int]:
    return [value >> 16, value & 0xFFFF]
