"""Six lessons: each a question, a picture, a prediction and an exercise, with every number from the data."""

from ecnas_core.analysis.lessons import dominance, flattening, operations, scope, search_cost, transfer
from ecnas_core.analysis.lessons.lesson import Lesson

LESSONS: dict[int, Lesson] = {
    each.LESSON.number: each.LESSON for each in (scope, flattening, operations, dominance, transfer, search_cost)
}
"""The lessons by their number."""

__all__ = ["LESSONS", "Lesson"]
