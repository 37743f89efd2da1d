"""Wires through a placed step: between boxes, and along other wires where there is no room beside them."""

from __future__ import annotations

from bptt.graph.draw import curves
from bptt.graph.draw.maze import Maze

_ABOVE, _BELOW = (40.0, 38.0, 80.0, 70.0), (40.0, -10.0, 80.0, 22.0)  # between them there is room for one wire


def test_the_only_gap_between_two_boxes_is_used_by_all_wires() -> None:
    ends = [(5.0, 5.0, 15.0, 15.0), (5.0, 45.0, 15.0, 55.0)]
    maze = Maze((0.0, 0.0, 120.0, 60.0), [_ABOVE, _BELOW, *ends], [])
    for end in ends:
        corners = maze.to_border(end, east=True)
        line = curves.rounded(curves.straightened(corners), 4.0)
        assert corners[-1][0] > 110
        assert not curves.touches(line, [_ABOVE, _BELOW], 2.0), corners


def test_two_wires_keep_apart_where_they_can() -> None:
    maze = Maze((0.0, 0.0, 120.0, 60.0), [], [])
    first, second = (maze.to_border((5.0, y, 15.0, y + 10), east=True) for y in (20.0, 26.0))
    assert abs(first[-1][1] - second[-1][1]) > 8


def test_a_wire_does_not_run_through_the_box_that_it_leaves() -> None:
    end, wall = (30.0, 20.0, 66.0, 56.0), (80.0, -10.0, 100.0, 90.0)
    for maze in (Maze((0.0, 0.0, 120.0, 80.0), [end, wall], []), Maze((0.0, 0.0, 120.0, 80.0), [wall], [])):
        corners = maze.between([((1, 0), (66.0, 38.0))], [((1, 0), (6.0, 38.0))], [end])
        assert corners is not None
        line = curves.rounded(curves.straightened(corners[1:-1]), 4.0)
        assert not curves.touches(line, [end], 2.0), corners
