"""Which module has the body of which kind of job: its ``run``.

By name, because a job's process imports its own body alone: what others need (torch,
its exporters) takes seconds to import.
"""

from zoo.domain.job import JobKind

BODIES: dict[JobKind, str] = {
    JobKind.IMPORT: "import_",
    JobKind.FINETUNE: "fitting",
    JobKind.ADVISE: "advise",
    JobKind.PREDICT: "predict",
    JobKind.SURGERY: "surgery",
    JobKind.QUANTIZE: "quantize",
    JobKind.EVALUATE: "evaluate",
    JobKind.CODES: "codes",
    JobKind.INIT_STUDY: "init_study",
    JobKind.TRANSFER_STUDY: "transfer_study",
    JobKind.REFERENCE: "reference",
    JobKind.VERIFY: "verify",
    JobKind.ALIAS: "alias",
}
