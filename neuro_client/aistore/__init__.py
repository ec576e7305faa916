"""AIStore clusters: buckets, objects and the cluster itself, by its own protocol.

``AIStore.connect(url)`` opens a client. Errors are in ``neuro_client.aistore.errors``.
"""

from .attributes import ObjectAttributes
from .authn import AuthN
from .bucket import Bucket
from .client import AIStore
from .cluster import Cluster
from .errors import (
    AISError,
    ErrBadCksum,
    ErrBckAlreadyExists,
    ErrBckNotFound,
    ErrBusy,
    ErrETLAlreadyExists,
    ErrETLNotFound,
    ErrGETConflict,
    ErrJobNotFound,
    ErrNotRemoteBck,
    ErrObjNotFound,
    ErrRemoteBckNotFound,
    ErrUnsupp,
    ErrXactNonIC,
    InvalidBckProvider,
    InvalidObjectRangeIndex,
    JobInfoNotFound,
    Timeout,
    UnexpectedHTTPStatusCode,
)
from .files import ObjectFileReader, ObjectFileWriter
from .listing import ObjectIterator
from .models import (
    BucketEntry,
    BucketInfo,
    BucketList,
    BucketModel,
    BucketSummary,
    ETLInfo,
    JobStatus,
    ListObjectFlag,
    NetInfo,
    Smap,
    Snode,
)
from .multipart import MultipartUpload
from .names import Namespace
from .object import Object
from .reader import ObjectReader
from .requests import RequestClient
from .store import AISStore

__all__ = [
    "AISError",
    "AISStore",
    "AIStore",
    "AuthN",
    "Bucket",
    "BucketEntry",
    "BucketInfo",
    "BucketList",
    "BucketModel",
    "BucketSummary",
    "Cluster",
    "ETLInfo",
    "ErrBadCksum",
    "ErrBckAlreadyExists",
    "ErrBckNotFound",
    "ErrBusy",
    "ErrETLAlreadyExists",
    "ErrETLNotFound",
    "ErrGETConflict",
    "ErrJobNotFound",
    "ErrNotRemoteBck",
    "ErrObjNotFound",
    "ErrRemoteBckNotFound",
    "ErrUnsupp",
    "ErrXactNonIC",
    "InvalidBckProvider",
    "InvalidObjectRangeIndex",
    "JobInfoNotFound",
    "JobStatus",
    "ListObjectFlag",
    "MultipartUpload",
    "Namespace",
    "NetInfo",
    "Object",
    "ObjectAttributes",
    "ObjectFileReader",
    "ObjectFileWriter",
    "ObjectIterator",
    "ObjectReader",
    "RequestClient",
    "Smap",
    "Snode",
    "Timeout",
    "UnexpectedHTTPStatusCode",
]
