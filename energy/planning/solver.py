"""
HiGHS, the only solver, behind the one call that is needed: numbers in, the best answer or an error out.

HiGHS keeps one pool of threads for a process, and a model that asks for another number of threads than the first
returns without an answer but with the old objective; so the number is the same everywhere, and the status is looked
at before anything else.
"""

from dataclasses import dataclass
from typing import Any

import highspy
import numpy as np

from energy.planning.problem import Floats
from energy.planning.program import Numbers, Program


class Unsolved(Exception):
    """There is no best answer: the status that the solver ended with."""


@dataclass(frozen=True)
class Answer:
    """The best columns, with a 0 behind them for those that are absent; rows' duals; and the value in $, to be made
    as large as possible."""

    columns: Floats
    duals: Floats
    value: float


class Solver:
    """One program in the solver's memory: the first answer is found from scratch, later ones from the last; each in so
    many seconds at most."""

    def __init__(self, program: Program, *, seconds: float = 60.0) -> None:
        self.program, self._seconds = program, seconds
        self._highs: Any = highspy.Highs()  # type: ignore[no-untyped-call]
        options: dict[str, bool | float | str] = {
            "output_flag": False, "threads": 1, "solver": "simplex",
        }  # fmt: skip
        for option, value in options.items():
            self._highs.setOptionValue(option, value)
        self._passed = False

    def solve(self, numbers: Numbers) -> Answer:
        """The best answer; raises Unsolved."""
        if np.isnan(numbers.cost).any() or np.isnan(numbers.column_upper).any() or np.isnan(numbers.row_upper).any():
            raise Unsolved("a price or a forecast is missing")
        if self._passed:
            self._change(numbers)
        else:
            self._pass(numbers)
        # The limit counts from the solver's first answer, not from this one's beginning.
        self._highs.setOptionValue("time_limit", self._highs.getRunTime() + self._seconds)
        self._highs.run()
        status = self._highs.getModelStatus()
        if status != highspy.HighsModelStatus.kOptimal:
            raise Unsolved(self._highs.modelStatusToString(status))
        solution = self._highs.getSolution()
        cost = self._highs.getInfo().objective_function_value
        columns = np.append(np.array(solution.col_value), 0.0)
        return Answer(columns, np.array(solution.row_dual), numbers.constant - cost)

    def _pass(self, numbers: Numbers) -> None:
        program, lp = self.program, highspy.HighsLp()
        lp.num_col_, lp.num_row_ = program.column_count, program.row_count
        lp.col_cost_, lp.col_lower_, lp.col_upper_ = numbers.cost, numbers.column_lower, numbers.column_upper
        lp.row_lower_, lp.row_upper_ = numbers.row_lower, numbers.row_upper
        lp.a_matrix_.format_ = highspy.MatrixFormat.kRowwise
        matrix = program.matrix
        lp.a_matrix_.start_, lp.a_matrix_.index_, lp.a_matrix_.value_ = matrix.starts, matrix.columns, matrix.values
        self._highs.passModel(lp)
        self._passed = True

    def _change(self, numbers: Numbers) -> None:
        columns = np.arange(self.program.column_count, dtype=np.int32)
        rows = np.arange(self.program.row_count, dtype=np.int32)
        self._highs.changeColsCost(len(columns), columns, numbers.cost)
        self._highs.changeColsBounds(len(columns), columns, numbers.column_lower, numbers.column_upper)
        self._highs.changeRowsBounds(len(rows), rows, numbers.row_lower, numbers.row_upper)
