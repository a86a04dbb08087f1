"""What a network sees, and where: features as arrows, whose direction says *which category*, whose length *how surely*.

One straight road runs through the house, and it is the same for an epoch, a layer, an attacked image or a student::

    ImageSet -> Network -> record -> Activations -> SampleProjection -> RegionImportance -> RegionProjection
             -> knowledge_points -> a figure of show

Whoever has :class:`Activations` needs only ``method`` and ``maths``, the core; the rest gets them, and shows what comes
out. A room imports only from rooms below it:

===============  =======================================================================================================
``experiments``  a data set with a network and its recorded numbers; the command line
``teach``        checks of the book's exercises
``report``       a page on any network and a folder of photographs
``show``         figures
``probes``       what the method is held against: Shapley values, other maps and embeddings, attacks, masks, plain cues
``estimators``   fits that leave the notebook: files of estimators and portraits
``networks``     any classifier: its layers, what they compute, training, students
``datasets``     where images come from, one file each
``images``       images with labels, the one form in which all others take them
``method``       the paper's method, from activations to knowledge points: no network, no data set, no figure, no cache
``maths``        directions and how sure they are: no networks, no images
``files``        where bundled data and the cache are
``extras``       what an installation may lack
===============  =======================================================================================================

Names are imported when they are first asked for, so ``import nbhelpers`` is quick and needs only what is used.
"""

from importlib import import_module as _import_module

__version__ = "0.9.0"

_ROOMS = {
    "images": ("ImageSet",),
    "maths.kappa": ("KappaCurve",),
    "maths.mixture": ("VonMisesFisherMixture",),
    "method.activations": ("Activations",),
    "method.samples": ("SampleProjection", "fit_along"),
    "method.importance": ("RegionImportance",),
    "method.regions": ("RegionProjection",),
    "method.regional": ("regional_along", "regional_features"),
    "method.knowledge": ("knowledge_points",),
    "method.portraits": ("portray",),
    "networks.network": ("Network",),
    "networks.forms": ("Form",),
    "networks.recording": ("record",),
    "networks.tails": ("tail_of",),
    "networks.architectures": ("build",),
    "networks.training": ("Recipe", "train"),
    "networks.pretrained": ("pretrained",),
    "networks.weights": ("load_checkpoint", "start_from"),
    "networks.distillation": ("distill",),
    "probes.attacks": ("follow", "pgd"),
    "probes.shapley": ("region_shapley",),
    "report.look": ("look",),
    "estimators": ("load_estimator", "load_portrait", "save_estimator", "save_portrait"),
    "experiments.study": ("Study",),
    "experiments.results": ("recorded",),
}
"""The public names by the module that holds them."""
_HOME = {name: room for room, names in _ROOMS.items() for name in names}
_PACKAGES = ("datasets", "show")

__all__ = sorted([*_HOME, *_PACKAGES])  # pyright: ignore[reportUnsupportedDunderAll]


def __getattr__(name: str) -> object:
    if name in _PACKAGES:
        return _import_module(f"nbhelpers.{name}")
    if name not in _HOME:
        raise AttributeError(f"module 'nbhelpers' has no attribute {name!r}; it has {', '.join(__all__)}")
    value = globals()[name] = getattr(_import_module(f"nbhelpers.{_HOME[name]}"), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
