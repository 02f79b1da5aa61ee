"""Published sweeps: the settings that a paper's table varies, and the recipe they are applied to.

``taskscape sweep NAME`` trains one. Further arguments are appended to the sweep's own, and override them where both set
the same thing.
"""

SWEEPS: dict[str, tuple[str, str, str]] = {
    "ladder/learning-rates": (
        "Learning rates of SGD and Adam, equal task weights. "
        "Published: Grader 21.6, 39.6, 44.4, 43.2 and 22.8, 43.1, 38.6, 13.3",
        "ladder/rung0",
        "--weighting.weights semseg 0.5 depth 0.5 "
        "--axis 'optimizer:sgd --optimizer.lr 1e-3' 'optimizer:sgd --optimizer.lr 1e-2' "
        "'optimizer:sgd --optimizer.lr 3e-2' 'optimizer:sgd --optimizer.lr 1e-1' "
        "'optimizer:adam --optimizer.lr 1e-5' 'optimizer:adam --optimizer.lr 1e-4' "
        "'optimizer:adam --optimizer.lr 1e-3' 'optimizer:adam --optimizer.lr 1e-2'",
    ),
    "ladder/batch-sizes": (
        "Batch sizes 2, 4 and 8, epochs in proportion, equal task weights. Published: 4 is best for the training time",
        "ladder/rung0",
        "--weighting.weights semseg 0.5 depth 0.5 "
        "--axis '--batch-size 2 --epochs 8' '--batch-size 4 --epochs 16' '--batch-size 8 --epochs 32'",
    ),
    "ladder/task-weights": (
        "Weights of segmentation and depth, 3:7 to 9:1. Published: Grader 42.4, 43.3, 43.1, 43.5, 43.5, 42.3, 40.8",
        "ladder/rung0",
        "--weighting.weights semseg=0.3,depth=0.7 semseg=0.4,depth=0.6 semseg=0.5,depth=0.5 semseg=0.6,depth=0.4 "
        "semseg=0.7,depth=0.3 semseg=0.8,depth=0.2 semseg=0.9,depth=0.1",
    ),
    "ladder/final-learning-rates": (
        "Learning rates of the final network. Published: 5e-5 is best, Grader 74.4",
        "ladder/rung10",
        "--optimizer.lr 2e-5 5e-5 1e-4",
    ),
    "adaptive/learning-rates": (
        "SGD and Adam, one epoch of segmentation from random weights; rates other than the best are a guess. "
        "Published: validation loss 0.68 with SGD at 1e-1, 0.58 with Adam at 1e-4",
        "adaptive/random_weights",
        "optimizer:sgd optimizer:adam --optimizer.lr 1e-5 1e-4 1e-3 1e-2 1e-1",
    ),
    "adaptive/batch-sizes": (
        "Batch sizes and epochs in proportion, segmentation from random weights; the numbers are a guess. Published: "
        "larger batches converge faster, 16 is kept (figure only)",
        "adaptive/random_weights",
        "--axis '--batch-size 8 --epochs 1' '--batch-size 16 --epochs 2' '--batch-size 32 --epochs 4'",
    ),
    "attention/learning-rates": (
        "SGD and Adam from 1e-6 to 1e-1, one epoch of segmentation. Random weights are a guess: the report uses "
        "ImageNet weights later, and in a printed command. Published: Adam 1e-4 is best, IoU 40.89",
        "adaptive/random_weights",
        "optimizer:sgd optimizer:adam --optimizer.lr 1e-6 1e-5 1e-4 1e-3 1e-2 1e-1",
    ),
    "attention/batch-sizes": (
        "Batch sizes and epochs, segmentation from random weights; only sizes 32 and 64, and 1 and 2 epochs, are not a "
        "guess. Published: small batches and more epochs are best (figure only)",
        "adaptive/random_weights",
        "--batch-size 8 16 32 64 --epochs 1 2 3",
    ),
    "attention/task-weights": (
        "Task weights of depth: 0.25, 0.5, 0.75. Published: IoU 85.1, 84.7, 83.1; SI 17.6, 16.6, 16.3",
        "attention/joint",
        "--weighting.weights semseg=0.75,depth=0.25 semseg=0.5,depth=0.5 semseg=0.25,depth=0.75",
    ),
    "attention/skips": (
        "Channels of the decoder's skip connection, segmentation alone. Published: 64 channels are best (figure only)",
        "attention/segmentation",
        "--network.skip-width 16 32 48 64",
    ),
    "attention/convolutions": (
        "Convolutions of the decoder, segmentation alone. Published: two are worse than one or three in the first two "
        "epochs, but are kept (curve only)",
        "attention/segmentation",
        "--network.convolutions 1 2 3",
    ),
    "attention/tokens": (
        "Features that the bins are computed from: encoder, decoder or ASPP. Published: encoder is best (curve only)",
        "attention/adaptive_depth",
        "--network.tokens encoder decoder aspp",
    ),
    "attention/channels": (
        "Channels and heads of the adaptive depth blocks. Published: 256 channels are best at first (curve only)",
        "attention/adaptive_depth",
        "--axis '--network.width 256 --network.heads 4' '--network.width 512 --network.heads 4' "
        "'--network.width 512 --network.heads 8'",
    ),
    "attention/dropout": (
        "Dropout in the attention; the rate is a guess. Published: better than none (curve only)",
        "attention/adaptive_depth",
        "--network.dropout 0 0.1",
    ),
    "attention/blocks-heads": (
        "Transformer blocks and heads with ASPP tokens. Published: 6 blocks and 8 heads are best (curve only)",
        "attention/aspp_tokens",
        "--network.blocks 3 6 --network.heads 4 8",
    ),
    "attention/heads-expansion": (
        "Heads and expansion of the adaptive depth blocks. Published: expansion 8 is worse with 4 heads (curve only)",
        "attention/adaptive_depth",
        "--network.heads 4 8 --network.expansion 4 8",
    ),
    "consistency/encoders": (
        "ResNet-18, 34, 50, 101 and 152. Published: 21.4, 31.6 and 40.4 million parameters for the first three",
        "consistency/cityscapes_7",
        "--network.encoder resnet18 resnet34 resnet50 resnet101 resnet152",
    ),
    "consistency/weights": (
        "The weight λ of consistency. Published: 0.01 on Cityscapes, 0.0001 on NYUv2",
        "consistency/cityscapes_7",
        "--objective.weight 0 0.0001 0.001 0.01 0.1",
    ),
    "consistency/smoothing": (
        "Label smoothing of the transferred segmentation's loss. Published: an option, 0 by default",
        "consistency/smoothed_cityscapes_7",
        "--objective.losses.semseg.label-smoothing 0 0.05 0.1 0.2",
    ),
}
"""By name: the description, the recipe, and the arguments of ``taskscape sweep`` that follow it."""
