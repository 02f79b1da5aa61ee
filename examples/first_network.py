"""A first network: build it, call it, and train it in a plain PyTorch loop on generated streets.

::

    python examples/first_network.py
    python examples/first_network.py --quick    # a few small steps, to check that everything works
"""

import argparse

import torch

from taskscape import models
from taskscape.data import Loader, Streets
from taskscape.tasks import tasks_for


def main(streets: int = 400, size: tuple[int, int] = (64, 128), batch_size: int = 8, epochs: int = 2) -> float:
    """Train for some epochs, print the losses, and return the pixel accuracy on the validation streets."""
    stores = Streets(train=streets, val=max(streets // 8, 4), size=size).open()

    # The tasks: predict a class and a depth at every pixel. A task defines its loss, its metrics and how to decode raw
    # outputs.
    fields = {name: stores["train"].fields[name] for name in ("semseg", "depth")}
    tasks = tasks_for(fields)

    # The network returns one raw map per task, of the size of the image.
    channels = {name: task.channels for name, task in tasks.items()}
    network = models.DeeplabJoint(channels, encoder="resnet10t", width=64)
    outputs = network(torch.rand(2, 3, *size))
    print({name: tuple(raw.shape) for name, raw in outputs.final.items()})

    device = torch.device("cpu")
    train = Loader(stores["train"], tasks, batch_size, device, shuffle=True)
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-3)
    for epoch in range(epochs):
        for step, batch in enumerate(train.epoch(epoch)):
            outputs = network(batch.image)
            losses = {
                name: task.loss.mean(task.compute_loss(outputs.final[name], batch.targets[name]))
                for name, task in tasks.items()
            }
            optimizer.zero_grad()
            torch.stack(list(losses.values())).sum().backward()
            optimizer.step()
            if step % 10 == 0:
                print(f"epoch {epoch}, step {step}:", {name: round(loss.item(), 3) for name, loss in losses.items()})

    network.eval()
    metric = tasks["semseg"].metrics()
    for batch in Loader(stores["val"], tasks, batch_size, device).epoch(0):
        with torch.no_grad():
            prediction = tasks["semseg"].decode(network(batch.image).final["semseg"])
        metric.update(prediction, *batch.targets["semseg"])
    accuracy = metric.compute()["pixel_accuracy"]
    print(f"pixel accuracy on {len(stores['val'])} other streets: {accuracy:.1f} %")
    return accuracy


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Train a first network.")
    parser.add_argument("--quick", action="store_true", help="a few small steps")
    if parser.parse_args().quick:
        main(streets=16, size=(32, 64), batch_size=4, epochs=1)
    else:
        main()
