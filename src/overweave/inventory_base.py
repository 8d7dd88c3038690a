"""What all sections of an inventory are read with."""

from __future__ import annotations

from ipaddress import AddressValueError, IPv4Network, NetmaskValueError
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

NAME = r"^[A-Za-z0-9]([A-Za-z0-9_.-]{0,62})$"


class Model(BaseModel):
    """A section: unknown keys are refused, and no value is taken for one of another type."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


Name = Annotated[str, Field(pattern=NAME)]
OptionText = Annotated[str, BeforeValidator(lambda v: str(v) if isinstance(v, int | float) else v)]


def parse_subnet(value: object) -> IPv4Network:
    """An IPv4 subnet in CIDR form, with room for containers; host bits must be zero.

    Raises `ValueError` with a message that says what would be right. IPv6 is refused because
    overlay containers are IPv4 only through Docker 29.
    """
    text = str(value)
    try:
        subnet = IPv4Network(text)
    except (AddressValueError, NetmaskValueError):
        raise ValueError(f"'{text}' is not an IPv4 subnet such as 10.211.0.0/16") from None
    except ValueError:
        right = IPv4Network(text, strict=False)
        raise ValueError(f"'{text}' has host bits set; the subnet is {right}") from None
    if "/" not in text or subnet.prefixlen > 29 or subnet.prefixlen < 8:
        raise ValueError(f"'{text}' leaves no room for containers: take a prefix from /8 to /29")
    return subnet
