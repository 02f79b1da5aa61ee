"""Publish a run as a model: a folder with weights, settings, results and a card, which ``push`` uploads to the hub."""

from taskscape.publishing.card import About
from taskscape.publishing.folder import Published, publish
from taskscape.publishing.push import push

__all__ = ["About", "Published", "publish", "push"]
