"""Color scales of a whole film."""

from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from typing import Any

import numpy as np

from taskscape.inference.predictor import Predictor
from taskscape.views import RgbArray, View


def fitted(predictor: Predictor, frames: Sequence[RgbArray]) -> Predictor:
    """Return a predictor with color scales fitted to all (H, W, 3) frames of one size, where it has none yet."""
    predictions = []
    for rgb in frames:
        predictions.append(predictor.predict_together([rgb])[0])
        if predictions[0].views == predictor.views:
            return predictor
    views = {
        name: view.fit(np.stack([view.comparable(prediction[name]) for prediction in predictions]))
        for name, view in predictor.views.items()
    }
    return replace(predictor, views=views)


def settings_of(views: Mapping[str, View[Any]]) -> dict[str, dict[str, Any]]:
    """Return the settings of views by task, as plain values."""
    return {
        name: {setting.name: getattr(view, setting.name) for setting in fields(view) if setting.name != "modality"}
        for name, view in views.items()
    }


def with_settings(predictor: Predictor, settings: Mapping[str, Mapping[str, Any]]) -> Predictor:
    """Return a predictor whose views have the settings returned by ``settings_of``."""
    views = {name: view.with_settings(settings.get(name, {}), name) for name, view in predictor.views.items()}
    return replace(predictor, views=views)
