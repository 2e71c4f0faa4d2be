"""/v1/quotas: how much owners may have, and have."""

from flask import Blueprint, jsonify
from flask.typing import ResponseReturnValue

from zoo.errors import BadName
from zoo.operations import quotas
from zoo.web.access import Need, needs
from zoo.web.context import current_zoo, read_body
from zoo.web.reference import tells
from zoo.web.shapes.quotas import QuotaBody, UsageAnswer, UsagesAnswer

bp = Blueprint("quotas", __name__, url_prefix="/v1/quotas")


@bp.get("")
@needs(Need.ADMIN)
@tells(UsagesAnswer)
def list_usage() -> ResponseReturnValue:
    """Say what all owners have, and may have."""
    found = [UsageAnswer.of(usage) for usage in quotas.list_usage(current_zoo())]
    return jsonify(UsagesAnswer(owners=found).model_dump(mode="json"))


@bp.put("")
@needs(Need.ADMIN)
@tells(UsageAnswer, body=QuotaBody, refuses=(BadName,))
def put_quota() -> ResponseReturnValue:
    """Set what an owner may have; what it has already stays."""
    body = read_body(QuotaBody)
    found = quotas.set_quota(current_zoo(), body.owner, body.quota())
    return jsonify(UsageAnswer.of(found).model_dump(mode="json"))
