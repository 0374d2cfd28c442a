"""Colours with a meaning, told apart by colour-blind eyes too."""

__all__ = ["KOMPOT_COLORS"]

KOMPOT_COLORS = {"direction": {"up": "#d73027", "down": "#4575b4", "neutral": "#d3d3d3"}}
