"""GPUs as `nvidia-smi` tells of them. Drivers differ in what they tell: what is not told is None, never 0."""

import re
from xml.etree import ElementTree as xml

from leasing.inspection.inventory import GPU

LONGEST = 4_000_000  # characters; eight GPUs with their tables of clocks are a tenth of that

_DOCTYPE = re.compile(r"<!DOCTYPE\s+nvidia_smi_log\s+SYSTEM\s+\"[\w.]*\"\s*>")
_CLOCKS = re.compile(r"<supported_clocks>.*?</supported_clocks>", re.DOTALL)  # long, unread, malformed by some drivers
_NUMBER = re.compile(r"\d+")
_LOST = re.compile(r"GPU is lost|Unknown Error|GPU requires reset|ERR!", re.IGNORECASE)
_FELL_OFF = re.compile(r"Unable to determine the device handle for GPU\s*([0-9A-Fa-f:]+\.[0-9A-Fa-f])")
_LINKS_OF = re.compile(r"^GPU (\d+):(.*?)(?=^GPU \d+:|\Z)", re.MULTILINE | re.DOTALL)
_ACTIVE_LINK = re.compile(r"^\s*Link \d+: [\d.]+ GB/s", re.MULTILINE)


class Unreadable(ValueError):
    """What the tool printed is not what it prints; the message says how it differs."""


def gpus(text: str, *, links: str = "") -> tuple[GPU, ...]:
    """
    The GPUs in what `nvidia-smi -q -x` printed, with those that it says it cannot reach.

    `links` is what `nvidia-smi nvlink -s` printed: the XML does not tell of NVLink.

    :raises Unreadable: if it is not nvidia-smi's XML
    """
    log = _parsed(text)
    driver = _text(log, "driver_version")
    nvlinks = _nvlinks(links)
    found = [_gpu(index, node, driver, nvlinks.get(index)) for index, node in enumerate(log.findall("gpu"))]
    listed = {gpu.pci[-12:] for gpu in found}  # the domain has four digits or eight
    gone = [pci for pci in dict.fromkeys(_FELL_OFF.findall(text)) if pci[-12:] not in listed]
    found += [
        GPU(index=len(found) + n, uuid="", name="", driver=driver, pci=pci, lost=True) for n, pci in enumerate(gone)
    ]
    return tuple(found)


def _parsed(text: str) -> xml.Element:
    """No entity is ever expanded: a document that declares any is refused, and its DOCTYPE line is taken out."""
    if len(text) > LONGEST:
        raise Unreadable(f"nvidia-smi printed more than {LONGEST} characters.")
    start, end = text.find("<nvidia_smi_log>"), text.rfind("</nvidia_smi_log>")
    if start < 0 or end < start:
        raise Unreadable(f"nvidia-smi printed no XML: {' '.join(text.split())[:160] or 'nothing'}")
    if "<!" in _DOCTYPE.sub("", text[:start]).replace("<!--", "") or "<!" in text[start:end].replace("<!--", ""):
        raise Unreadable("nvidia-smi's XML declares entities, which it never does.")
    try:
        return xml.fromstring(_CLOCKS.sub("", text[start:end]) + "</nvidia_smi_log>")  # noqa: S314  no declarations left
    except xml.ParseError as error:
        raise Unreadable(f"nvidia-smi's XML is broken: {error}.") from error


def _gpu(index: int, node: xml.Element, driver: str, nvlinks: int | None) -> GPU:
    return GPU(
        index=index,
        uuid=_text(node, "uuid"),
        name=_text(node, "product_name"),
        serial=_text(node, "serial"),
        memory_mib=_number(node, "fb_memory_usage/total") or 0,
        driver=driver,
        pci=node.get("id", ""),
        ecc=_flag(node, "ecc_mode/current_ecc", "Enabled"),
        ecc_uncorrected=_uncorrected(node),
        remap_pending=_flag(node, "remapped_rows/remapped_row_pending", "Yes"),
        remap_failed=_flag(node, "remapped_rows/remapped_row_failure", "Yes"),
        mig=bool(_flag(node, "mig_mode/current_mig", "Enabled")),
        nvlinks=nvlinks,
        lost=any(_LOST.search(node.findtext(path) or "") for path in ("product_name", "uuid", "fb_memory_usage/total")),
    )


def _uncorrected(node: xml.Element) -> int | None:
    """
    Uncorrected errors since the driver was loaded. Those of the GPU's whole life count only where the driver tells no
    others: rows that were remapped since are sound again.

    Before Turing they are called double-bit errors; newer drivers count SRAM by parity and SEC-DED.
    """
    for since in ("volatile", "aggregate"):
        told = [_number(node, f"ecc_errors/{since}/{name}") for name in _UNCORRECTED]
        if counts := [count for count in told if count is not None]:
            return sum(counts)
    return None


_UNCORRECTED = (
    "double_bit/total",
    "sram_uncorrectable",
    "sram_uncorrectable_parity",
    "sram_uncorrectable_secded",
    "dram_uncorrectable",
)


def _text(node: xml.Element, path: str) -> str:
    """What it says; "" where the driver says that it does not know."""
    said = (node.findtext(path) or "").strip()
    unknown = said.strip("[]").lower() in {
        "n/a",
        "not supported",
        "none",
        "requested functionality has been deprecated",
    }
    return "" if unknown or _LOST.search(said) else said


def _number(node: xml.Element, path: str) -> int | None:
    """The whole number before the unit, such as 81559 of "81559 MiB"; None where there is none."""
    found = _NUMBER.match(_text(node, path))
    return int(found.group()) if found else None


def _flag(node: xml.Element, path: str, yes: str) -> bool | None:
    said = _text(node, path)
    return said == yes if said else None


def _nvlinks(text: str) -> dict[int, int | None]:
    """By index: how many links are active; None where the GPU has none, or is asked while it is cut into instances."""
    told = {int(index): rest for index, rest in _LINKS_OF.findall(text)}
    return {index: len(_ACTIVE_LINK.findall(rest)) if "Link 0" in rest else None for index, rest in told.items()}
