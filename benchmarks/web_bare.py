"""The least that the same server could do: one bare Starlette route and one FastAPI route, on uvicorn with httptools.

python benchmarks/web_bare.py PORT
"""

import sys

import uvicorn
from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Mount, Route

api = FastAPI(openapi_url=None)


@api.get("/j")
async def fast() -> dict[str, object]:
    return {"id": 1, "name": "x"}


async def bare(request: Request) -> JSONResponse:
    return JSONResponse({"id": 1, "name": "x"})


app = Starlette(routes=[Route("/j", bare), Mount("/fast", api)])
uvicorn.run(
    app, host="127.0.0.1", port=int(sys.argv[1]), http="httptools", loop="asyncio", log_level="error", access_log=False
)
