# SPDX-License-Identifier: GPL-3.0-or-later
"""SAM 1 and 2 from folders in the genuine layout, tiny and random: loaded equals built, pictures and clicks go in as
transformers' own processor would put them."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from PIL import Image

from backend.segmentation.base import read_clicks
from backend.segmentation.sam import Sam, load_sam
from protocol.errors import BadRequest

torch.set_num_threads(1)
CPU = torch.device("cpu")


def sam_1(seed=0):
    from transformers.models.sam.configuration_sam import SamConfig
    from transformers.models.sam.modeling_sam import SamModel

    torch.manual_seed(seed)
    config = SamConfig(
        vision_config={"hidden_size": 16, "output_channels": 16, "num_hidden_layers": 2, "num_attention_heads": 2,
                       "image_size": 64, "patch_size": 8, "window_size": 4, "global_attn_indexes": [1],
                       "num_pos_feats": 8, "mlp_dim": 32},
        prompt_encoder_config={"hidden_size": 16, "image_size": 64, "patch_size": 8, "mask_input_channels": 4},
        mask_decoder_config={"hidden_size": 16, "mlp_dim": 32, "num_hidden_layers": 1, "num_attention_heads": 2,
                             "iou_head_hidden_dim": 16},
    )
    return SamModel(config).eval()


def sam_2(seed=0):
    from transformers.models.sam2.configuration_sam2 import Sam2Config
    from transformers.models.sam2.modeling_sam2 import Sam2Model

    torch.manual_seed(seed)
    config = Sam2Config(
        vision_config={
            "backbone_config": {
                "model_type": "sam2_hiera_det_model", "hidden_size": 8, "image_size": [64, 64],
                "blocks_per_stage": [1, 1, 2, 1], "embed_dim_per_stage": [8, 16, 32, 64],
                "num_attention_heads_per_stage": [1, 1, 2, 2], "window_size_per_stage": [8, 4, 4, 2],
                "global_attention_blocks": [3], "window_positional_embedding_background_size": [4, 4],
            },
            "backbone_channel_list": [64, 32, 16, 8], "fpn_hidden_size": 16,
            "backbone_feature_sizes": [[16, 16], [8, 8], [4, 4]],
        },
        prompt_encoder_config={"hidden_size": 16, "image_size": 64, "patch_size": 16, "mask_input_channels": 4},
        mask_decoder_config={"hidden_size": 16, "mlp_dim": 32, "num_hidden_layers": 1, "num_attention_heads": 2,
                             "iou_head_hidden_dim": 16},
    )
    return Sam2Model(config).eval()


@pytest.fixture(scope="module", params=["sam", "sam2"])
def folder(request, tmp_path_factory):
    where = tmp_path_factory.mktemp(request.param)
    model = sam_1() if request.param == "sam" else sam_2()
    model.save_pretrained(where)
    return where, model, request.param


def photo(height=45, width=70):
    rng = np.random.default_rng(3)
    small = rng.integers(0, 256, (6, 9, 3), np.uint8)
    return np.asarray(Image.fromarray(small).resize((width, height), Image.Resampling.BICUBIC))


@pytest.mark.parametrize("rows", [[[30, 20, 1]], [[30, 20, 1], [5, 40, 0], [60, 8, 1]]])
def test_loaded_equals_built(folder, rows):
    where, model, kind = folder
    clicks = read_clicks(np.array(rows, np.float32), 70, 45)
    loaded = load_sam(where, CPU)
    assert loaded.stretched == (kind == "sam2") and loaded.square == 64 and where.name in loaded.name
    built = Sam(model, 64, kind == "sam2")
    one, two = loaded.segment(photo(), clicks), built.segment(photo(), clicks)
    assert one.shape == (45, 70) and one.dtype == bool and (one == two).all()
    assert (loaded.segment(photo(), clicks) == one).all()


def test_the_picture_goes_in_as_transformers_own_processor_puts_it(tmp_path):
    from transformers.models.sam.image_processing_pil_sam import SamImageProcessorPil

    theirs = SamImageProcessorPil(size={"longest_edge": 64}, pad_size={"height": 64, "width": 64})
    wanted = theirs(photo(), return_tensors="pt")["pixel_values"]
    ours = Sam(None, 64, False)
    assert ours._seen(45, 70) == (41, 64)
    got = ours._prepared(photo(), (41, 64))
    assert got.shape == wanted.shape
    assert (got - wanted).abs().max() < 0.05  # one grey level is 0.017: two resamplers round differently


def test_masks_lie_where_the_network_saw_them(folder):
    """A network whose mask is the right half of what it sees must give the right half of the picture, whatever the
    picture's shape; padding is no part of it."""
    _, _, kind = folder

    class Half(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = torch.nn.Parameter(torch.zeros(1))

        def forward(self, pixel_values, input_points, input_labels, multimask_output):
            seen = pixel_values[:, :1, ::4, ::4]
            self.points, self.labels, self.three = input_points, input_labels, multimask_output
            masks = torch.full((1, 1, 3, *seen.shape[-2:]), -1.0)
            masks[:, :, 1, :, 8:] = 1.0
            return type("Found", (), {"pred_masks": masks, "iou_scores": torch.tensor([[[0.1, 0.9, 0.3]]])})

    network = Half()
    clicks = read_clicks(np.array([[35.0, 30.0, 1]], np.float32), 70, 60)
    mask = Sam(network, 64, kind == "sam2").segment(photo(60, 70), clicks)
    assert not mask[:, :33].any() and mask[:, 37:].all()
    assert network.three and network.labels.tolist() == [[[1]]]
    wanted = [32.0, 32.0] if kind == "sam2" else [32.0, 30 * 55 / 60]
    assert np.allclose(network.points[0, 0, 0].tolist(), wanted, atol=1e-4)


def test_what_is_no_sam_is_named(tmp_path):
    with pytest.raises(BadRequest, match=r"no config\.json") as caught:
        load_sam(tmp_path, CPU)
    assert caught.value.path == "segmenter" and "sam-vit-base" in str(caught.value.hint)
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(BadRequest, match="cannot be read"):
        load_sam(tmp_path, CPU)
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "bert"}))
    with pytest.raises(BadRequest, match="bert"):
        load_sam(tmp_path, CPU)
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "sam"}))
    with pytest.raises(BadRequest, match="safetensors"):
        load_sam(tmp_path, CPU)
    (tmp_path / "model.safetensors").write_bytes(b"nothing")
    with pytest.raises(BadRequest, match="cannot be loaded"):
        load_sam(tmp_path, CPU)
