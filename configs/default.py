"""Every configuration key with its meaning, unit or range, and origin.

`compression()` is the poster's system (CompNet, FineNet, discriminator); `segmentation()` is SegNet's own training,
`enhancement()` EnhanceNet's.
`use_reference_choices` turns the places where the authors' code departs from the poster (both are named
choices). Other files in this folder start here and state differences only; `tiny` shrinks any of them to seconds.
"""

from __future__ import annotations

from ml_collections import ConfigDict, config_dict


def _data() -> ConfigDict:
    data = ConfigDict()
    # "folders", "records", "coded" (pictures beside what a codec gave back: dsslic_jax/data/coded.py), "tfds" or
    # "scenes" (embedded, made on the fly)
    data.kind = "folders"
    data.root = (
        ""  # folders, coded: the directory of the splits; records: what `dsslic prepare` wrote
    )
    data.layout = "auto"  # folders: see dsslic_jax/data/sources.py for the layouts known
    data.builder = ""  # tfds: builder name, e.g. "ade20k_150" or "cityscapes"
    data.data_dir = ""  # tfds: where prepared data sets lie
    data.description = ""  # what the pictures are; kept with the weights
    data.terms = ""  # the terms they are under; kept with the weights
    data.licence = ""  # of the weights trained on them, as SPDX calls it; "": only what terms allow
    data.classes = (
        "scenes"  # class table (dsslic_jax/classes/table.py): names, void ids, ids in files
    )
    data.train_split = "train"
    data.eval_split = "val"
    data.on_bad_file = (
        "error"  # "error" stops at an undecodable file; "skip" counts and replaces it
    )
    data.resize = config_dict.placeholder(
        object
    )  # None, or short side in pixels, or (height, width)
    data.scale = (1.0, 1.0)  # random scale before the crop, range
    data.crop = (256, 256)  # training crop, (height, width) in pixels
    data.flip = True  # mirror left-right half of the time
    # Share of the training pictures whose labels are hidden, so that networks also learn to do without.
    data.unlabelled = 0.0
    data.cache = False  # keep decoded pictures in memory; for sets that fit
    data.cache_gib = 4.0  # how much of it, in 2**30 bytes; needing more is an error
    data.workers = 0  # decoding processes per host; 0 decodes in threads
    data.scenes_seed = 0  # scenes: seed of the generated pictures, apart from the run's seed
    data.scenes_size = (128, 128)  # scenes: (height, width) in pixels
    data.scenes_train = 2048  # scenes: how many training scenes there are
    data.scenes_test = 8  # scenes: how many held-back scenes
    return data


def _shared() -> ConfigDict:
    config = ConfigDict()
    config.seed = 0  # weights, data order and augmentation all follow from it
    # Arithmetic of the networks: "bfloat16" on TPU and GPU. Weights, their updates, what norms measure and losses are
    # float32 in either.
    config.precision = "float32"

    config.data = _data()

    config.mesh = mesh = ConfigDict()  # devices along each axis (dsslic_jax/train/devices/mesh.py)
    mesh.data = -1  # each group of so many has pictures of its own; -1: as many as there are
    mesh.fsdp = 1  # likewise, and parameters and optimiser state are divided among these
    mesh.rows = 1  # devices that share each picture by bands of rows: for large pictures

    config.optimizer = optimizer = ConfigDict()
    optimizer.name = "adam"  # "adam" or "sgd"
    optimizer.learning_rate = 2e-4  # poster
    optimizer.beta1 = 0.5  # poster; the momentum of "sgd"
    optimizer.beta2 = 0.999  # poster
    optimizer.weight_decay = 0.0  # L2 added to the gradient
    optimizer.warmup_steps = 0  # over which the learning rate rises to the above
    optimizer.constant_fraction = 0.5  # poster: constant for the first half, then to zero
    optimizer.decay_power = 1.0  # 1: linear (poster); 0.9 with constant_fraction 0: "poly"

    config.train = train = ConfigDict()
    train.batch_size = 8  # global: over all devices and hosts; a multiple of mesh.data x mesh.fsdp
    train.steps = 100_000
    # On the way back: "norms" (a third less memory) or "features" are computed again (recompute.py).
    train.recompute = "nothing"
    train.update_order = "alternating"  # G faces the updated D (poster); "simultaneous" (reference)
    # Moving average of the generator's weights and batch statistics, kept beside them; samples, evaluation and the
    # model take it. 0: none; 0.999 remembers about a thousand steps.
    train.ema_decay = 0.0
    train.log_every = 100  # steps between reports: progress line, TensorBoard, metrics.jsonl
    train.json_log = True  # metrics.jsonl in the work directory: one JSON line for each report
    train.save_every = 1000  # steps between checkpoints
    train.keep = 2  # checkpoints kept: the last so many
    # Name of a reported value, e.g. "eval/psnr_rgb_db": the checkpoint where it was best, as last reported, is kept
    # too, and its model is written to best/. Of a PSNR, an accuracy or an IoU more is better, of all else less.
    train.best_metric = ""
    train.sample_every = 1000  # steps between sample grids; 0: none
    # Steps between measurements on data.eval_split, really coded at coding.quality (or, of SegNet, segmented); 0: none.
    train.evaluate_every = 0
    train.evaluate_pictures = 4  # how many held-back pictures, cut to data.crop in their middle
    # Model directory, or bundled model's name, whose weights, and state of training, to begin with.
    train.start_from = ""
    # Names of layers, with commas, that begin anew in spite of it: EnhanceNet's "labels" from a model of other classes.
    train.start_anew = ""

    config.after = after = ConfigDict()
    after.evaluate = False  # measure data.eval_split when training ends
    return config


def _coarse_model(config: ConfigDict) -> ConfigDict:
    model = ConfigDict()
    model.classes = config_dict.placeholder(int)  # K, void included; None: the class table's own
    model.alpha = 8  # c is 1/alpha of the picture a side: 8, 16, 32 or 64
    model.compnet_width = 64  # features of the first convolution; doubles to 8x
    model.finenet_width = 64  # 0: without FineNet, x' = c'
    model.finenet_blocks = 9  # residual blocks at 1/2**finenet_downs scale
    model.finenet_downs = 3  # stride-2 convolutions before them
    # "instance" (poster) and "group" look at the whole picture; "batch" (its statistics are fixed after training) and
    # "none" do not, so large pictures are run in windows.
    model.norm = "instance"
    model.colour = "rgb"  # of c and inside the networks; "ycbcr": full-range BT.601
    # CompNet makes c (poster), or corrects the block "average" of x; "mean" is that average, without CompNet.
    model.compact = "direct"
    model.label_conv = "auto"  # first 7x7 on labels: "dense", "lookup" or the faster measured
    model.upsampling = "bilinear"  # "bilinear_corners" (reference: corners aligned)
    model.round_compact = True  # train on the 8-bit c a decoder has; False (reference)
    model.dtype = config.get_ref("precision")
    return model


def _coding() -> ConfigDict:
    coding = ConfigDict()
    coding.codecs = "embedded"  # the model's own coders: "embedded" (pip alone) or "external"
    coding.quality = 30.0  # of the last residual layer, 0 … 100, when the user names none
    coding.layers = 1  # residual layers, each coding what the ones before leave
    # The residual is x less 128 + gain (x' - 128): 0 … 1 in sixteenths; "auto": some are tried, the cheapest is taken.
    coding.prediction_gain = config_dict.FieldReference(1.0, field_type=object)
    coding.residual = "min_max"  # its range stretched over all codes (poster); "centred": one scale
    coding.residual_bits = 8  # of the residual's codes: 8 or 10
    coding.residual_colour = "ycbcr444"  # how BPG codes it; "ycbcr420", "rgb444"
    coding.enhance = "auto"  # by the model's EnhanceNet, if it has one, where that helps; "off"
    coding.compact_step = 1  # c in steps of so many grey levels; 1: lossless
    # "none": networks see one constant class; "decoder": SegNet on up(c); "auto": sent or none, whichever costs less.
    coding.labels = "sent"
    coding.label_scale = 1  # s has one label for each block of so many pixels a side: 1, 2, 4 … 32
    coding.label_loss = 0.0  # share of pixels whose label may change as small regions are merged
    return coding


def compression() -> ConfigDict:
    """CompNet, FineNet and the discriminator: the poster's choices at the poster's widths."""
    config = _shared()
    config.task = "compression"

    config.model = _coarse_model(config)

    config.discriminator = discriminator = ConfigDict()
    discriminator.width = 64
    discriminator.layers = 3
    discriminator.scales = 2
    discriminator.norm = "instance"
    discriminator.sees_compact = True  # D(s, c', image) (poster); D(s, image) (reference)

    config.losses = losses = ConfigDict()
    losses.gan = "log"  # "log" (poster) or "least_squares" (reference)
    losses.gan_weight = 1.0
    losses.l1_weight = 20.0  # 2 lambda, lambda = 10
    losses.mse_weight = 0.0  # squared error; for the phase after the adversarial one
    losses.compact_rate_weight = 0.0  # of what c takes, estimated in bits per pixel of the picture
    losses.ssim = "poster"  # on [0, 1]; "reference": on [-1, 1], same constants
    losses.ssim_weight = 1.0
    losses.features = "poster"  # every layer; "reference": logits left out, averaged over scales
    losses.features_weight = 10.0  # lambda
    losses.vgg_weight = 10.0  # lambda; 0 leaves the term out and needs no weights
    losses.vgg_layers = "poster"  # all layers equal; "reference": 1/32 … 1
    losses.vgg_weights = ""  # path of torchvision's VGG19 as .safetensors

    config.coding = _coding()
    config.after.qualities = (10, 25, 40, 55)  # residual qualities of the table
    return config


def segmentation() -> ConfigDict:
    """SegNet = PSPNet with a dilated ResNet-50 (Zhao et al. 2017), trained by itself."""
    config = _shared()
    config.task = "segmentation"

    config.model = model = ConfigDict()
    model.classes = config_dict.placeholder(int)  # K, void included; void is never predicted
    # Dilated, output at 1/8 scale: "resnet18", "34", "50" or "101" with a stem of three 3x3 convolutions, the same with
    # "_7x7" and the stem of ImageNet's ResNets, or "small".
    model.backbone = "resnet50"
    model.width = 64  # features of the first stage
    model.pyramid_width = 512  # features of each pyramid pooling branch
    model.auxiliary_width = config_dict.placeholder(int)  # None: a quarter of what it sees
    model.input = "symmetric"  # pixels in [-1, 1]; "imagenet": by ImageNet's mean and deviation
    model.norm = "batch"  # "batch" or "group"
    model.dtype = config.get_ref("precision")

    config.losses = losses = ConfigDict()
    losses.auxiliary_weight = 0.4  # of the auxiliary head (PSPNet)

    config.optimizer.name = "sgd"
    config.optimizer.learning_rate = 0.01
    config.optimizer.beta1 = 0.9
    config.optimizer.weight_decay = 1e-4
    config.optimizer.constant_fraction = 0.0
    config.optimizer.decay_power = 0.9
    config.data.scale = (0.5, 2.0)
    return config


def enhancement() -> ConfigDict:
    """EnhanceNet for the `best` profile, whose c is nothing but block averages, so that no other network is needed.

    Trained on pictures that were really coded (python -m dsslic_jax.prepare.coded_pairs).
    """
    config = _shared()
    config.task = "enhancement"
    config.model = _coarse_model(config)
    config.coding = _coding()
    use_best_profile(config)

    config.enhancenet = enhancenet = ConfigDict()
    enhancenet.classes = config_dict.placeholder(int)  # those of config.model
    enhancenet.width = 48  # features at half resolution
    enhancenet.blocks = 5  # of two convolutions
    enhancenet.label_width = 8  # features that a class becomes
    enhancenet.dtype = config.get_ref("precision")

    config.optimizer.update({"learning_rate": 2e-3, "beta1": 0.9, "beta2": 0.99})
    config.optimizer.update({"warmup_steps": 100, "constant_fraction": 0.0})
    # A convolution sees zeros beyond a crop's edge: in larger crops fewer pixels lie near one.
    config.data.update({"kind": "coded", "crop": (96, 96), "unlabelled": 0.25})
    config.data.update({"cache": True, "cache_gib": 12.0})
    config.train.update({"batch_size": 4, "steps": 60_000, "ema_decay": 0.999})
    config.train.sample_every = 2000
    return config


def use_best_profile(config: ConfigDict) -> ConfigDict:
    """Sets model and coding to what wins under protocol `fair` (docs/rate-distortion.md)."""
    config.model.update({"alpha": 64, "compact": "mean", "finenet_width": 0, "colour": "ycbcr"})
    config.coding.update({"residual": "centred", "residual_bits": 10, "prediction_gain": 0.0})
    config.coding.update({"compact_step": 16, "label_scale": 32})
    return config


def use_pixel_error(config: ConfigDict) -> ConfigDict:
    """Sets the losses of the phase after the adversarial one: what the residual has to mend, and nothing else."""
    config.losses.update({"gan_weight": 0.0, "features_weight": 0.0, "vgg_weight": 0.0})
    config.losses.update({"l1_weight": 0.0, "ssim_weight": 0.0, "mse_weight": 100.0})
    return config


def use_reference_choices(config: ConfigDict) -> ConfigDict:
    """Sets each point where the authors' code departs from the poster; the parity fixtures check these."""
    config.discriminator.sees_compact = False
    config.losses.gan = "least_squares"
    config.losses.features = "reference"
    config.losses.ssim = "reference"
    config.losses.vgg_layers = "reference"
    config.train.update_order = "simultaneous"
    config.model.upsampling = "bilinear_corners"
    config.model.round_compact = False
    return config


def tiny(config: ConfigDict) -> ConfigDict:
    """The same program at a size that two cores run in seconds; no VGG term, it needs a weight file."""
    config.train.update({"batch_size": 2, "steps": 4, "log_every": 2, "save_every": 2})
    config.train.sample_every = 2
    config.after.evaluate = False  # four steps teach nothing worth measuring
    config.data.crop = (64, 64)
    config.data.scenes_train = 16
    config.data.scenes_test = 2
    config.precision = "float32"
    if config.task == "segmentation":
        config.model.update({"backbone": "small", "width": 8, "pyramid_width": 8})
    elif config.task == "enhancement":
        config.enhancenet.update({"width": 6, "blocks": 1})
    else:
        config.model.update({"compnet_width": 4, "finenet_width": 4, "finenet_blocks": 1})
        config.discriminator.width = 4
        config.losses.vgg_weight = 0.0
    return config


def finish(config: ConfigDict, variant: str = "") -> ConfigDict:
    """Applies the `:variant` of `--config=FILE:variant` ("", "tiny" or "reference") and locks the keys."""
    variants = {"": lambda config: config, "tiny": tiny}
    if config.task == "compression":
        variants["reference"] = use_reference_choices
    if variant not in variants:
        raise ValueError(
            f"configuration variant {variant!r} is none of {', '.join(filter(None, variants))}"
        )
    return variants[variant](config).lock()
