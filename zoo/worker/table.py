"""Which module has the body of which kind of job: its ``run``.

By name, because a job's process imports its own body alone: what others need (scikit-learn,
torch's exporters) takes seconds to import.
"""

from zoo.domain.job import JobKind

BODIES: dict[JobKind, str] = {
    JobKind.IMPORT: "import_",
    JobKind.FINETUNE: "finetune",
    JobKind.ADVISE: "advise",
    JobKind.SURGERY: "surgery",
    JobKind.QUANTIZE: "quantize",
}
