"""Pushing a folder to the Hugging Face Hub. Says what is wrong before anything is uploaded."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from pathlib import Path

from train.errors import TrainError

_REPO = re.compile(r"[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95}")


def check_push(repo: str) -> None:
    """Raise TrainError where a push to `repo` (OWNER/NAME) could not go through.

    Asks the Hub once, with the operator's token.
    """
    from huggingface_hub import HfApi, get_token

    if not _REPO.fullmatch(repo):
        raise TrainError(f"--push-to takes OWNER/NAME, not {repo!r}")
    with _plainly(repo):
        if get_token() is None:
            raise TrainError(
                "There is no Hub token: set HF_TOKEN to one that may write "
                "(huggingface.co/settings/tokens), or log in with `hf auth login`"
            )
        HfApi().whoami()


def push(folder: Path, repo: str, *, public: bool) -> str:
    """Upload `folder` to the model repository `repo`, made (private, unless `public`) where it is
    not there yet. Gives its address. Raises TrainError.
    """
    from huggingface_hub import HfApi

    api = HfApi()
    with _plainly(repo):
        address = api.create_repo(repo, private=not public, exist_ok=True)
        api.upload_folder(
            repo_id=address.repo_id, folder_path=folder, commit_message="Add the model"
        )
    return str(address)


@contextlib.contextmanager
def _plainly(repo: str) -> Iterator[None]:
    """Turn the Hub client's many exceptions into one sentence."""
    from huggingface_hub.errors import HfHubHTTPError, OfflineModeIsEnabled

    try:
        yield
    except OfflineModeIsEnabled as error:
        raise TrainError("HF_HUB_OFFLINE is set, so nothing can be pushed; unset it") from error
    except HfHubHTTPError as error:
        status = error.response.status_code
        advice = {
            401: "The Hub does not know the token; make a new one and set HF_TOKEN",
            403: f"The token may not write to {repo}; give it write access to that owner",
            404: f"The Hub has no {repo}, or the token may not see it",
        }.get(status, "Try again later; what was exported is whole")
        raise TrainError(f"The Hub refused (status {status}). {advice}") from error
    except TrainError:
        raise
    except Exception as error:  # of the HTTP library, which is another one in each major version
        first_line = str(error).strip().partition("\n")[0]
        raise TrainError(f"{repo} could not be pushed to the Hub: {first_line}") from error
