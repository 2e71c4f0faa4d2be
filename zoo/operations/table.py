"""How a request for a job of a kind is checked and settled, when it is asked for or later."""

from zoo.domain.job import JobKind
from zoo.operations.advise import settle_advise
from zoo.operations.alias import settle_alias
from zoo.operations.finetune import settle_finetune
from zoo.operations.later import Settle
from zoo.operations.predictions import settle_predictions
from zoo.operations.quantize import settle_quantize

SETTLE: dict[JobKind, Settle] = {
    JobKind.FINETUNE: settle_finetune,
    JobKind.ADVISE: settle_advise,
    JobKind.PREDICT: settle_predictions,
    JobKind.QUANTIZE: settle_quantize,
    JobKind.ALIAS: settle_alias,
}
