"""Groups that run tile by tile: what their operators need of each other, their steps, room and cost."""
