"""The commands of a demo, looked at without running them."""

from __future__ import annotations

from mmdet_ovis.apis.demos.stages import Stage


def flatten(chain) -> dict[str, Stage]:
    """All stages of a chain by name."""
    flat = []
    for link in chain:
        flat += link if isinstance(link, tuple) else [link]
    assert len({stage.name for stage in flat}) == len(flat)
    return {stage.name: stage for stage in flat}


def settings_of(stage) -> dict[str, str]:
    """What a command changes in its config."""
    command = list(stage.command)
    pairs = command[command.index('--cfg-options') + 1 :]
    return dict(pair.split('=', 1) for pair in pairs)


def has(cfg, key) -> bool:
    """Whether a config has such a key."""
    for part in key.split('.'):
        if isinstance(cfg, list):
            cfg = cfg[int(part)]
        elif cfg is not None and part in cfg:
            cfg = cfg[part]
        else:
            return False
    return True
