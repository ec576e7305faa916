"""Errors of S3, in the words of Amazon and in those of Garage (garage-workspace.md §9.2)."""

from __future__ import annotations

AWS = "aws"
GARAGE = "garage"

_STATUS = {
    "AccessDenied": 403,
    "AuthorizationHeaderMalformed": 400,
    "BadDigest": 400,
    "BucketAlreadyExists": 409,
    "BucketAlreadyOwnedByYou": 409,
    "BucketNotEmpty": 409,
    "EntityTooLarge": 400,
    "EntityTooSmall": 400,
    "ExpiredToken": 400,
    "IncompleteBody": 400,
    "InternalError": 500,
    "InvalidAccessKeyId": 403,
    "InvalidArgument": 400,
    "InvalidBucketName": 400,
    "InvalidDigest": 400,
    "InvalidPart": 400,
    "InvalidPartOrder": 400,
    "InvalidRange": 416,
    "InvalidRequest": 400,
    "InvalidToken": 400,
    "InvalidURI": 400,
    "KeyTooLongError": 400,
    "MalformedTrailerError": 400,
    "MalformedXML": 400,
    "MetadataTooLarge": 400,
    "MethodNotAllowed": 405,
    "MissingContentLength": 411,
    "NoSuchBucket": 404,
    "NoSuchCORSConfiguration": 404,
    "NoSuchKey": 404,
    "NoSuchUpload": 404,
    "NotImplemented": 501,
    "PreconditionFailed": 412,
    "QuotaExceeded": 403,
    "RequestTimeTooSkewed": 403,
    "SignatureDoesNotMatch": 403,
    "SlowDown": 503,
    "XAmzContentSHA256Mismatch": 400,
}
# Garage has fewer words for the same.
_GARAGE = {
    "InvalidAccessKeyId": "AccessDenied",
    "SignatureDoesNotMatch": "AccessDenied",
    "QuotaExceeded": "AccessDenied",
    "ExpiredToken": "AccessDenied",
    "InvalidToken": "AccessDenied",
    "RequestTimeTooSkewed": "AccessDenied",
    "BadDigest": "InvalidDigest",
    "XAmzContentSHA256Mismatch": "InvalidDigest",
    "KeyTooLongError": "InvalidRequest",
}


class S3Error(Exception):
    """Refuse a request with a code of S3's; ``fields`` become elements of the answer."""

    def __init__(self, code: str, message: str, **fields: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.fields = fields

    def told(self, flavour: str) -> tuple[int, str]:
        """Return status and code as a kind of server tells them."""
        code = _GARAGE.get(self.code, self.code) if flavour == GARAGE else self.code
        return _STATUS[code], code

    def fields_for(self, flavour: str) -> dict[str, str]:
        """Return what the document that explains the refusal says, in order."""
        _, code = self.told(flavour)
        return {"Code": code, "Message": self.message, **self.fields}


def no_bucket(name: str) -> S3Error:
    """Return the error that there is no such bucket."""
    return S3Error("NoSuchBucket", "The specified bucket does not exist", BucketName=name)


def no_key(key: str) -> S3Error:
    """Return the error that there is no such object."""
    return S3Error("NoSuchKey", "The specified key does not exist.", Key=key)


def no_upload(upload_id: str) -> S3Error:
    """Return the error that there is no such upload."""
    return S3Error(
        "NoSuchUpload",
        "The specified upload does not exist. It may have been completed or aborted.",
        UploadId=upload_id,
    )


def not_implemented(what: str) -> S3Error:
    """Return the error that something is not there."""
    return S3Error("NotImplemented", f"{what} is not implemented")
