"""AIStore clusters: buckets, objects and the cluster itself, by its own protocol.

``AIStore.connect(url)`` opens a client. Errors are in ``neuro_client.aistore.errors``.
"""

from .batch.api import Batch, BatchItem
from .buckets.bucket import Bucket
from .buckets.listing import ObjectIterator
from .buckets.store import AISStore
from .client import AIStore
from .cluster import Cluster
from .connection.authn import AuthN
from .connection.requests import RequestClient
from .dataset.api import Dataset, DatasetOptions
from .dataset.samples import Sample, SampleError
from .dataset.threads import SampleThread
from .dsort.api import Dsort
from .dsort.records import (
    DsortJobInfo,
    DsortMetrics,
    DsortPhase,
    DsortTimes,
    LocalExtraction,
    MetaSorting,
    ShardCreation,
)
from .errors import (
    AISError,
    AISJobFailed,
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
from .etl.api import Etl
from .etl.records import (
    ETLDetails,
    ETLNodeHealth,
    ETLNodeLogs,
    ETLNodeMetrics,
    ETLObjectError,
)
from .groups.api import ObjectGroup
from .groups.names import ObjectNames, ObjectRange, ObjectTemplate
from .jobs.api import Job
from .jobs.records import JobSnapshot, JobStats, WaitResult
from .models import (
    BucketEntry,
    BucketInfo,
    BucketInventory,
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
from .names import Namespace
from .objects.attributes import ObjectAttributes
from .objects.files import ObjectFileReader, ObjectFileWriter
from .objects.multipart import MultipartUpload
from .objects.object import Object
from .objects.reader import ObjectReader

__all__ = [
    "AISError",
    "AISJobFailed",
    "AISStore",
    "AIStore",
    "AuthN",
    "Batch",
    "BatchItem",
    "Bucket",
    "BucketEntry",
    "BucketInfo",
    "BucketInventory",
    "BucketList",
    "BucketModel",
    "BucketSummary",
    "Cluster",
    "Dataset",
    "DatasetOptions",
    "Dsort",
    "DsortJobInfo",
    "DsortMetrics",
    "DsortPhase",
    "DsortTimes",
    "ETLDetails",
    "ETLInfo",
    "ETLNodeHealth",
    "ETLNodeLogs",
    "ETLNodeMetrics",
    "ETLObjectError",
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
    "Etl",
    "InvalidBckProvider",
    "InvalidObjectRangeIndex",
    "Job",
    "JobInfoNotFound",
    "JobSnapshot",
    "JobStats",
    "JobStatus",
    "ListObjectFlag",
    "LocalExtraction",
    "MetaSorting",
    "MultipartUpload",
    "Namespace",
    "NetInfo",
    "Object",
    "ObjectAttributes",
    "ObjectFileReader",
    "ObjectFileWriter",
    "ObjectGroup",
    "ObjectIterator",
    "ObjectNames",
    "ObjectRange",
    "ObjectReader",
    "ObjectTemplate",
    "RequestClient",
    "Sample",
    "SampleError",
    "SampleThread",
    "ShardCreation",
    "Smap",
    "Snode",
    "Timeout",
    "UnexpectedHTTPStatusCode",
    "WaitResult",
]
