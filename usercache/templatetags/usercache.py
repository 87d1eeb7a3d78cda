"""What the dashboard's templates can't say without Python."""

from django import template

register = template.Library()


@register.filter
def percent(part: float) -> str:
    """Return a part of 1 as SVG takes it: `85.5%`, with a point in every language."""
    return f"{min(1.0, max(0.0, part)) * 100:.1f}%"
