"""The schemas at a registry, where ``WHARF_REGISTRY`` names one."""

from __future__ import annotations

from ops.errors import UserError
from ops.settings import Settings

__all__ = ["publish_schemas"]


def publish_schemas(settings: Settings) -> None:
    """Register every schema under its own id; nothing without a registry, nothing twice. Raises UserError with the way out."""
    if not settings.registry:
        return
    import httpx
    import structlog

    from schemas.registry import RegistryConflict, register

    log = structlog.get_logger(__name__)
    try:
        with httpx.Client(base_url=settings.registry.rstrip("/"), timeout=15.0) as client:
            done = register(client.request)
    except RegistryConflict as e:
        raise UserError(f"WHARF_REGISTRY: {e}") from e
    except (httpx.HTTPError, ValueError, KeyError) as e:
        url = httpx.URL(settings.registry).copy_with(username=None, password=None)
        raise UserError(f"WHARF_REGISTRY: {url} does not answer as a schema registry: {type(e).__name__}: {e}") from e
    log.info(
        "schemas registered",
        new=[result.subject for result in done if result.created],
        known=sum(not result.created for result in done),
    )
