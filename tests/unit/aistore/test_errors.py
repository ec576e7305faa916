"""Error answers become one class each: of their kind and of their status (aistore.md §3)."""

from __future__ import annotations

import json
import pickle
from typing import Any

import pytest
from yarl import URL

from neuro_client import errors as ours
from neuro_client.aistore import errors
from neuro_client.aistore.errors import map_error
from neuro_client.transport import Failure

ROOT = "http://proxy:8080/v1"
OBJECT = f"{ROOT}/objects/b1/o"
BUCKET = f"{ROOT}/buckets/b1"
JOB = f"{ROOT}/cluster?what=status"


def failure(
    status: int, message: str = "", tcode: str = "", url: str = BUCKET, method: str = "POST"
) -> Failure:
    body: dict[str, Any] = {"message": message, "status": status, "node": "p[x]"}
    if tcode:
        body["tcode"] = tcode
    return Failure(method, URL(url), status, {}, json.dumps(body).encode())


MISSING = "t[OFyt8081]: ais://b1/bucket does not exist"
CASES = [
    # status, message, tcode, url, method, kind, status class
    (404, "x", "ErrBckNotFound", BUCKET, "POST", "ErrBckNotFound", ours.ResourceNotFound),
    (404, "x", "ErrBckNotFound", OBJECT, "GET", "ErrBckNotFound", ours.ResourceNotFound),
    (404, "x", "ErrRemoteBckNotFound", OBJECT, "GET", "ErrRemoteBckNotFound",
     ours.ResourceNotFound),
    (409, "x", "ErrBucketAlreadyExists", BUCKET, "POST", "ErrBckAlreadyExists",
     ours.ConflictError),
    (400, "x", "ErrBucketAlreadyExists", BUCKET, "POST", "ErrBckAlreadyExists",
     ours.IllegalArgumentError),
    (404, MISSING, "ErrNotFound", OBJECT, "GET", "ErrObjNotFound", ours.ResourceNotFound),
    (404, "ais://b1/none doesn't exist", "", OBJECT, "DELETE", "ErrObjNotFound",
     ours.ResourceNotFound),
    (404, "job not found", "ErrXactNotFound", JOB, "GET", "ErrJobNotFound",
     ours.ResourceNotFound),
    (404, "x", "ErrNotFound", JOB, "GET", "ErrJobNotFound", ours.ResourceNotFound),
    (400, "no status", "ErrXactNonIC", JOB, "GET", "ErrXactNonIC", ours.IllegalArgumentError),
    (409, "busy", "ErrBusy", BUCKET, "POST", "ErrBusy", ours.ConflictError),
    (409, "rebalance", "ErrLimitedCoexistence", BUCKET, "POST", "ErrBusy", ours.ConflictError),
    (400, "ftp", "ErrInvalidBackendProvider", BUCKET, "GET", "InvalidBckProvider",
     ours.IllegalArgumentError),
    (400, "x", "ErrNotRemoteBck", BUCKET, "DELETE", "ErrNotRemoteBck",
     ours.IllegalArgumentError),
    (500, "x", "ErrBadCksum", OBJECT, "PUT", "ErrBadCksum", ours.ServerError),
    (501, "x", "ErrUnsupp", f"{ROOT}/etl", "GET", "ErrUnsupp", ours.NotSupportedError),
    (501, "x", "", f"{ROOT}/sort", "POST", "ErrUnsupp", ours.ServerError),
    (416, "range", "ErrRangeNotSatisfiable", OBJECT, "GET", "AISError",
     ours.IllegalArgumentError),
    (507, "full", "ErrCapExceeded", OBJECT, "PUT", "AISError", ours.ServerError),
    (429, "slow", "ErrTooManyRequests", OBJECT, "GET", "AISError", ours.RateLimitError),
    (401, "token", "", BUCKET, "GET", "AISError", ours.AuthenticationError),
    (403, "x", "ErrBucketAccessDenied", BUCKET, "GET", "AISError", ours.AuthorizationError),
    (503, "starting", "", BUCKET, "GET", "AISError", ours.ServerNotAvailable),
    # An object may have any name.
    (404, "t[x]: ais://b1/my etl job does not exist", "ErrNotFound",
     f"{ROOT}/objects/b1/my etl job", "GET", "ErrObjNotFound", ours.ResourceNotFound),
    (404, 'ais://b1/bucket "ais://x" does not exist doesn\'t exist', "",
     f'{ROOT}/objects/b1/bucket "ais://x" does not exist', "DELETE", "ErrObjNotFound",
     ours.ResourceNotFound),
    (404, "ais://b1/d/v1/etl/x does not exist", "ErrNotFound", f"{ROOT}/objects/b1/d/v1/etl/x",
     "HEAD", "ErrObjNotFound", ours.ResourceNotFound),
    (404, "ais://b1/v1/sort/x doesn't exist", "", f"{ROOT}/objects/b1/v1/sort/x", "DELETE",
     "ErrObjNotFound", ours.ResourceNotFound),
    (404, "etl job X does not exist", "ErrNotFound", f"{OBJECT}?etl_name=X", "GET",
     "ErrETLNotFound", ours.ResourceNotFound),
    (404, 'bucket "ais://b1" does not exist', "", f"{ROOT}/objects/b1", "POST", "ErrBckNotFound",
     ours.ResourceNotFound),
    # An internal name is no code, and `ErrFailedTo` says nothing.
    (404, 'bucket "ais://b1" does not exist', "errNodeNotFound", BUCKET, "GET", "ErrBckNotFound",
     ours.ResourceNotFound),
    (409, "cold GET", "", OBJECT, "GET", "ErrGETConflict", ours.ConflictError),
    (409, "etl job X already exists", "", f"{ROOT}/etl", "PUT", "ErrETLAlreadyExists",
     ours.ConflictError),
    (404, "ETL X doesn't exist", "", f"{ROOT}/etl/X", "GET", "ErrETLNotFound",
     ours.ResourceNotFound),
    (404, "[dsort] ID does not exist", "", f"{ROOT}/sort?uuid=x", "GET", "ErrJobNotFound",
     ours.ResourceNotFound),
    # Texts of servers without codes (3.x).
    (404, 'bucket "ais://n" does not exist', "", OBJECT, "GET", "ErrBckNotFound",
     ours.ResourceNotFound),
    (404, 'bucket "ais://#ns/n" does not exist', "", OBJECT, "GET", "ErrBckNotFound",
     ours.ResourceNotFound),
    (404, 'remote bucket "ais://@uuid/n" does not exist', "", BUCKET, "GET",
     "ErrRemoteBckNotFound", ours.ResourceNotFound),
    (404, 'cloud bucket "s3://n" does not exist', "", BUCKET, "GET", "ErrRemoteBckNotFound",
     ours.ResourceNotFound),
    (404, 'aws bucket "s3://n" does not exist', "", OBJECT, "GET", "ErrRemoteBckNotFound",
     ours.ResourceNotFound),
    (409, 'bucket "ais://n" already exists', "", BUCKET, "POST", "ErrBckAlreadyExists",
     ours.ConflictError),
    (400, 'bucket "ais://n" already exists', "", BUCKET, "POST", "ErrBckAlreadyExists",
     ours.IllegalArgumentError),
]  # fmt: skip


@pytest.mark.parametrize(
    ("status", "message", "tcode", "url", "method", "kind", "of_status"),
    CASES,
    ids=[f"{case[0]}-{case[5]}-{index}" for index, case in enumerate(CASES)],
)
def test_an_answer_has_one_class(
    status: int,
    message: str,
    tcode: str,
    url: str,
    method: str,
    kind: str,
    of_status: type[Exception],
) -> None:
    error = map_error(failure(status, message, tcode, url, method))
    assert type(error).__name__ == kind
    assert isinstance(error, getattr(errors, kind))
    assert isinstance(error, errors.AISError) and isinstance(error, of_status)
    assert (error.status_code, error.message, error.node) == (status, message, "p[x]")
    assert error.tcode == (tcode or None)
    assert str(error).startswith(f"STATUS:{status}, MESSAGE:{message}")
    assert method in str(error)
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is type(error) and vars(again) == vars(error) and again.args == error.args


def test_an_error_of_head_is_in_a_header() -> None:
    """aistore.md §21."""
    document = {"tcode": "ErrNotFound", "message": "t[x]: ais://b1/none does not exist"}
    headers = {"Hdr-Error": json.dumps(document)}
    error = map_error(Failure("HEAD", URL(OBJECT), 404, headers, b""))
    assert isinstance(error, errors.ErrObjNotFound)
    assert error.tcode == "ErrNotFound"
    bare = map_error(Failure("HEAD", URL(OBJECT), 404, {}, b""))
    assert isinstance(bare, errors.ErrObjNotFound)


@pytest.mark.parametrize(
    ("body", "kind", "shown"),
    [
        (b"Method Not Allowed\n", "text/plain", "Method Not Allowed"),
        (b"<html>" + b"x" * 9000, "text/html", "an HTML page"),
        (b"\xff\xfe{", "", "{"),
        (b"[1]", "application/json", "[1]"),
        (b"null", "application/json", "null"),
        (b"", "", "no reason"),
    ],
)
def test_whatever_the_body_it_is_no_other_error(body: bytes, kind: str, shown: str) -> None:
    error = map_error(Failure("PUT", URL(BUCKET), 405, {"Content-Type": kind}, body))
    assert isinstance(error, errors.AISError) and isinstance(error, ours.ClientError)
    assert shown in str(error)
    assert len(str(error)) < 3000


def test_secrets_of_the_address_are_not_told() -> None:
    url = f"{OBJECT}?append_handle=x&token=hush"
    assert "hush" not in str(map_error(failure(400, "no", url=url)))


def test_errors_of_the_client_itself_have_a_place_in_the_tree() -> None:
    assert isinstance(errors.Timeout("x"), TimeoutError)
    for error in (
        errors.InvalidBckProvider("ftp"),
        errors.Timeout("x"),
        errors.InvalidObjectRangeIndex("x"),
        errors.JobInfoNotFound("x"),
        errors.UnexpectedHTTPStatusCode([200], 202),
    ):
        assert isinstance(error, ours.NeuroError)
    assert "ftp" in str(errors.InvalidBckProvider("ftp"))
    assert "202" in str(errors.UnexpectedHTTPStatusCode([200], 202))
