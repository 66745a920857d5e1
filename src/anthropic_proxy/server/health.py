"""What clients and machines ask to see whether anybody is there."""

from fastapi import APIRouter, Request

router = APIRouter()


@router.api_route("/", methods=["GET", "HEAD"], include_in_schema=False)
@router.api_route("/api/hello", methods=["GET", "HEAD"], include_in_schema=False)
@router.get("/health")
@router.head("/health", include_in_schema=False)
async def health(request: Request) -> dict[str, str]:
    """The proxy is up. Says nothing about the backend."""
    return {"status": "ok", "version": request.app.version}
