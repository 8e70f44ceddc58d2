"""The exchange's categories and the short words that parameter names end with."""

from __future__ import annotations

# The exchange has no closed list; a category that is not here is written in its own words.
CATEGORIES = {
    "WEATHER": "Climate and Weather",
    "CRYPTO": "Crypto",
    "ECON": "Economics",
    "SPORTS": "Sports",
    "POLITICS": "Politics",
    "FINANCIALS": "Financials",
    "COMPANIES": "Companies",
    "ENTERTAINMENT": "Entertainment",
    "SCIENCE": "Science and Technology",
    "HEALTH": "Health",
    "WORLD": "World",
}
_SHORT = {category: short for short, category in CATEGORIES.items()}


def category_of(name: str) -> tuple[str, str] | None:
    """(name without its ending, category) of a name that ends with a category's word, else None."""
    stem, _, short = name.rpartition("_")
    return (stem, CATEGORIES[short]) if stem and short in CATEGORIES else None


def name_in(name: str, category: str) -> str:
    """The name a parameter goes by in one category: MM_GAMMA in Climate and Weather is MM_GAMMA_WEATHER."""
    short = _SHORT.get(category)
    return f"{name} in {category}" if short is None else f"{name}_{short}"
