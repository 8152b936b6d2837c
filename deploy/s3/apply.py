"""Applies the configuration in this folder to a bucket, reads it back, and fails where S3 did not take it as it is written.

    python3 apply.py ENDPOINT [BUCKET [REPLICA]]

ENDPOINT is `aws` or a URL. The buckets are made where they are not there, with Object Lock, which a bucket can only be given
as it is made or by AWS support. Needs boto3 and credentials that may configure buckets; zxq itself never needs those.
"""

import json
import pathlib
import sys

import boto3

FOLDER = pathlib.Path(__file__).parent


def read(name, bucket, replica):
    text = (FOLDER / name).read_text()
    return json.loads(text.replace("market-data-replica", replica).replace("market-data", bucket))


def same(wanted, found, where):
    """Everything that was asked for is there; what S3 adds by itself does not matter."""
    if isinstance(wanted, dict):
        for key, value in wanted.items():
            assert key in found, f"{where}.{key} is missing: {found}"
            same(value, found[key], f"{where}.{key}")
    elif isinstance(wanted, list):
        assert len(wanted) == len(found), f"{where}: {found}"
        for number, (one, other) in enumerate(zip(wanted, found)):
            same(one, other, f"{where}[{number}]")
    else:
        assert wanted == found, f"{where}: {found!r} instead of {wanted!r}"


def make(s3, bucket):
    try:
        s3.head_bucket(Bucket=bucket)
        return
    except s3.exceptions.ClientError as error:
        if error.response["Error"]["Code"] not in ("404", "NoSuchBucket"):
            raise
    region = s3.meta.region_name
    where = {} if region in (None, "us-east-1") else {"CreateBucketConfiguration": {"LocationConstraint": region}}
    s3.create_bucket(Bucket=bucket, ObjectLockEnabledForBucket=True, **where)


def main(endpoint, bucket="market-data", replica="market-data-replica"):
    s3 = boto3.client("s3", endpoint_url=None if endpoint == "aws" else endpoint)

    def config(name):
        return read(name, bucket, replica)

    # A bucket that is replicated to lies in another region: on AWS, make it there beforehand.
    for name in (bucket, replica):
        make(s3, name)
        s3.put_bucket_versioning(Bucket=name, VersioningConfiguration=config("versioning.json"))
        same(config("versioning.json"), s3.get_bucket_versioning(Bucket=name), "versioning")

    s3.put_public_access_block(
        Bucket=bucket,
        PublicAccessBlockConfiguration={
            "BlockPublicAcls": True,
            "IgnorePublicAcls": True,
            "BlockPublicPolicy": True,
            "RestrictPublicBuckets": True,
        },
    )
    s3.put_bucket_encryption(Bucket=bucket, ServerSideEncryptionConfiguration=config("encryption.json"))
    found = s3.get_bucket_encryption(Bucket=bucket)["ServerSideEncryptionConfiguration"]
    same(config("encryption.json"), found, "encryption")

    s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps(config("bucket-policy.json")))
    same(config("bucket-policy.json"), json.loads(s3.get_bucket_policy(Bucket=bucket)["Policy"]), "policy")

    s3.put_bucket_lifecycle_configuration(Bucket=bucket, LifecycleConfiguration=config("lifecycle.json"))
    same(config("lifecycle.json"), s3.get_bucket_lifecycle_configuration(Bucket=bucket), "lifecycle")

    s3.put_object_lock_configuration(Bucket=bucket, ObjectLockConfiguration=config("object-lock.json"))
    found = s3.get_object_lock_configuration(Bucket=bucket)["ObjectLockConfiguration"]
    same(config("object-lock.json"), found, "object lock")

    s3.put_bucket_replication(Bucket=bucket, ReplicationConfiguration=config("replication.json"))
    found = s3.get_bucket_replication(Bucket=bucket)["ReplicationConfiguration"]
    wanted = config("replication.json")
    if endpoint != "aws":
        # moto answers these with values of its own, whatever it was given.
        for rule in wanted["Rules"]:
            for key in ("Filter", "DeleteMarkerReplication", "SourceSelectionCriteria"):
                del rule[key]
    same(wanted, found, "replication")
    print(f"{bucket}: versioning, encryption, policy, lifecycle, object lock and replication are as written")


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    main(*sys.argv[1:])
