"""How strictly suites are read."""

from typing import Literal, TypeAlias

UnknownKeys: TypeAlias = Literal["typos", "error", "warn"]
"""What an unknown key is. typos: an error if it resembles a known key or belongs to another place, else a warning."""
UndefinedNames: TypeAlias = Literal["typos", "strict", "empty"]
"""What an undefined template variable is: `strict` an error; `empty` nothing. typos: an error if its name resembles a
variable that is defined, else a warning, and empty."""
