"""Serves a package over HTTP: uvicorn serve:app, with PACKAGE=folder in the environment.

curl -X POST localhost:8000/recommend -H 'content-type: application/json' -d '{"items": ["i3", "i4"], "k": 3}'
"""

import os
from typing import Annotated

from annotated_types import Ge, MinLen
from fastapi import FastAPI, HTTPException
from pydantic import BaseModel

from recbole_cl import load_package
from recbole_cl.errors import UsageError

app = FastAPI()
model = load_package(os.environ["PACKAGE"])


class Request(BaseModel):
    """A user's items, the newest last, and the number of items to recommend."""

    items: Annotated[list[str], MinLen(1)]
    k: Annotated[int, Ge(1)] = 10


@app.post("/recommend")
def recommend(request: Request) -> list[dict[str, str | float]]:
    """The best items to follow the newest one."""
    try:
        (found,) = model.recommend([request.items], k=request.k)
    except UsageError as error:  # for example: none of the items is known
        raise HTTPException(422, str(error)) from error
    return [{"item": item, "score": score} for item, score in found]
