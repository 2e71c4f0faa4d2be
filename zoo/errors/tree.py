"""The root of all errors: a code, a sentence, a next step and a detail."""

import re
from typing import ClassVar


class ZooError(Exception):
    """The zoo could not do what was asked."""

    hint: str = "See `zoo doctor` for what this zoo stands on."
    code: ClassVar[str] = "zoo_error"

    def __init_subclass__(cls) -> None:
        """Name the wire code after the class: ``BlobNotFound`` is ``blob_not_found``."""
        cls.code = re.sub(r"(?<!^)(?=[A-Z])", "_", cls.__name__).lower()

    def __init__(
        self, message: str | None = None, *, hint: str | None = None, **detail: object
    ) -> None:
        super().__init__(message or (type(self).__doc__ or "").strip().splitlines()[0])
        self.detail = detail
        if hint is not None:
            self.hint = hint

    def as_json(self) -> dict[str, object]:
        """Write the error down in the one shape every door shows."""
        return {
            "error": {
                "code": self.code,
                "message": str(self),
                "hint": self.hint,
                "detail": self.detail,
            }
        }
