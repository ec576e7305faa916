"""Train a classifier of handwritten digits: what the job of the tutorial runs.

Reads the images of a folder (one folder per digit, PGM files), tries some settings of a support
vector machine, and writes the best model with its metrics. Knows nothing of neuro_client.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import time
from pathlib import Path

import joblib
import numpy as np
from sklearn.model_selection import train_test_split
from sklearn.svm import SVC


def read_images(folder: Path) -> tuple[np.ndarray, np.ndarray]:
    """Return the pixels, scaled to 0…1, and the digits of all images below ``folder``."""
    paths = sorted(folder.glob("*/*.pgm"))
    pixels, labels = [], []
    for path in paths:
        _magic, size, depth, *values = path.read_text().split("\n")
        width, height = map(int, size.split())
        image = np.array(" ".join(values).split(), dtype=float)
        assert image.size == width * height
        pixels.append(image / int(depth))
        labels.append(int(path.parent.name))
    return np.array(pixels), np.array(labels)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()

    started = time.monotonic()
    images, digits = read_images(options.data)
    print(f"read {len(images)} images of {images.shape[1]} pixels", flush=True)
    seen, unseen, seen_digits, unseen_digits = train_test_split(
        images, digits, test_size=0.25, random_state=0, stratify=digits
    )

    best, best_accuracy = None, -1.0
    for epoch, (c, gamma) in enumerate([(0.1, 0.01), (1, 0.01), (1, 0.05), (10, 0.05)], 1):
        model = SVC(C=c, gamma=gamma).fit(seen, seen_digits)
        accuracy = float(model.score(unseen, unseen_digits))
        print(f"epoch {epoch}: C={c} gamma={gamma} accuracy={accuracy:.3f}", flush=True)
        if accuracy > best_accuracy:
            best, best_accuracy = model, accuracy
        time.sleep(0.5)  # leaves telemetry something to see

    options.out.mkdir(parents=True, exist_ok=True)
    path = options.out / "model.joblib"
    joblib.dump(best, path)
    metrics = {
        "images": len(images),
        "accuracy": best_accuracy,
        "seconds": round(time.monotonic() - started, 2),
        "model_sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
    }
    (options.out / "metrics.json").write_text(json.dumps(metrics, indent=2))
    print(f"saved a model with accuracy {best_accuracy:.3f}", flush=True)


if __name__ == "__main__":
    main()
