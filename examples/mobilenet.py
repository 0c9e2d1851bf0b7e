"""A real inner layer: MobileNetV2 without weights, encoding each frame of a clip.

timelift bench --layer examples/mobilenet.py:make_encoder --inputs 96,96,3 \
        --seq-lens 8 --batch-sizes 2 --strategies time_distributed,fold_time,loop_unstack,ops_map
"""

import keras


def make_encoder() -> keras.Model:
    """Map one frame (96, 96, 3) to 1280 features, with BatchNormalization inside."""
    return keras.applications.MobileNetV2(
        input_shape=(96, 96, 3), alpha=0.35, include_top=False, weights=None, pooling="avg"
    )
