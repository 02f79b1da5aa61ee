"""Creation of timm backbones, with errors in the user's terms."""

from typing import Any

from taskscape.imports import late_compiler
from taskscape.models.layers.hub import WeightsMissingError, cached_weights
from taskscape.models.layers.plain_backbone import PlainBackbone
from taskscape.models.layers.traits import Traits, traits
from taskscape.serialization import nearest


def build_backbone(name: str, output_stride: int, coarsest: int, *, pretrained: bool) -> tuple[Traits, Any]:
    """Return a timm backbone with random weights or those of the hub; arguments and errors as for ``Encoder``."""
    with late_compiler():
        import timm

    model, _, tag = name.partition(".")
    if not timm.is_model(model):
        suggestion = nearest(model, timm.list_models()) or "; see timm.list_models()"
        raise ValueError(f"network.encoder: timm has no model {name!r}{suggestion}")
    tags = [full_name.partition(".")[2] for full_name in timm.models.get_arch_pretrained_cfgs(model)]
    if tag and tags and tag not in tags:
        raise ValueError(f"network.encoder: timm has no weights {tag!r} of {model}; it has {', '.join(tags)}")
    options: dict[str, Any] = {"pretrained": pretrained}
    try:
        if pretrained and (cached := cached_weights(name)) is not None:
            options["pretrained_cfg_overlay"] = {"file": str(cached)}
        model_traits = traits(name)
        if model_traits.is_plain:
            return model_traits, PlainBackbone(name, **options)
        if output_stride != 32:
            options["output_stride"] = output_stride
        strides = [min(stride, output_stride) for stride in model_traits.strides]
        if max(strides) > coarsest:
            options["out_indices"] = [i for i, stride in enumerate(strides) if stride <= coarsest]
        backbone = timm.create_model(name, features_only=True, **options)
    except WeightsMissingError:
        raise
    except Exception as error:  # timm, the hub and torch raise anything from KeyError to HTTPError here
        raise ValueError(_failure_message(name, output_stride, pretrained, error)) from error
    if "out_indices" in options:
        _leave_out_unread(backbone)
    return model_traits, backbone


def _leave_out_unread(backbone: Any) -> None:
    """Remove the stages after the last one that is read; timm keeps them only in EfficientNets and MobileNets."""
    if (indices := getattr(backbone, "_stage_out_idx", None)) is not None:
        del backbone.blocks[max(indices) :]


def _failure_message(name: str, output_stride: int, pretrained: bool, error: Exception) -> str:
    if pretrained:
        return (
            f"network.pretrained: the weights of {name} could not be fetched from the hub ({error}); "
            "download a checkpoint of this model elsewhere and give its path"
        )
    reason = f" ({error})" if str(error) else ""
    if output_stride != 32:
        return (
            f"network.encoder: {name} cannot be built with output_stride {output_stride}, since timm cannot dilate "
            f"it{reason}; set it to 32 to use the encoder without dilation, or choose another encoder"
        )
    return f"network.encoder: {name} cannot be built{reason}; choose another encoder"
