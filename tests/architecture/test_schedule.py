"""Every periodic job can run, on a queue that a worker serves, and never piles up."""

from __future__ import annotations

import pytest

from deploy.launcher.stack import QUEUES
from kalshiops.celery import app
from kalshiops.schedule import JOBS, Job, beat_schedule

app.loader.import_default_modules()


@pytest.mark.parametrize("job", JOBS, ids=lambda job: job.name)
def test_job_names_a_registered_task(job: Job) -> None:
    assert job.task in app.tasks


@pytest.mark.parametrize("job", JOBS, ids=lambda job: job.name)
def test_job_expires_before_its_next_run(job: Job) -> None:
    assert 0 < beat_schedule()[job.name]["options"]["expires"] < job.every_s


@pytest.mark.parametrize("job", JOBS, ids=lambda job: job.name)
def test_job_goes_to_a_queue_that_a_worker_serves_and_says_why(job: Job) -> None:
    assert job.queue in QUEUES
    assert job.reason


def test_names_are_unique() -> None:
    assert len({job.name for job in JOBS}) == len(JOBS) == len(beat_schedule())
