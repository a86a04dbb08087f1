"""How near the paper's ten categories lie in meaning: their hypernyms in Princeton WordNet 3.1, and steps between."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

from nbhelpers.experiments.claims.measured import NotRecorded

HYPERNYMS = {
    child: tuple(parents.split(", "))
    for line in """
        tabby: domestic cat; domestic cat: cat, domestic animal; cat: feline; feline: carnivore
        golden retriever: retriever; retriever: sporting dog; sporting dog: hunting dog; hunting dog: dog
        dog: canine, domestic animal; canine: carnivore; carnivore: placental; placental: mammal; mammal: vertebrate
        tailed frog: frog; frog: amphibian; amphibian: vertebrate; vertebrate: chordate; chordate: animal
        domestic animal: animal; animal: organism; organism: living thing; living thing: whole
        school bus: bus; bus: public transport; public transport: conveyance; conveyance: instrumentality
        sports car: car; car: motor vehicle; motor vehicle: self-propelled vehicle
        self-propelled vehicle: wheeled vehicle; wheeled vehicle: vehicle, container; vehicle: conveyance
        container: instrumentality; lifeboat: sea boat; sea boat: boat; boat: vessel; vessel: craft; craft: vehicle
        iPod: stereo; stereo: reproducer; reproducer: audio system; audio system: electronic equipment, system
        electronic equipment: equipment; equipment: instrumentality; system: instrumentality
        desk: table; table: furniture; furniture: furnishing; furnishing: instrumentality; instrumentality: artifact
        steel arch bridge: bridge; bridge: structure; structure: artifact; artifact: whole
        orange: citrus; citrus: edible fruit; edible fruit: produce, fruit; produce: food; food: solid; solid: matter
        fruit: reproductive structure; reproductive structure: plant organ; plant organ: plant part
        plant part: natural object; natural object: whole; whole: object; object: physical entity
        matter: physical entity; physical entity: entity
    """.strip().splitlines()
    for child, parents in (entry.strip().split(": ") for entry in line.split(";"))
}
"""By the first word of each synset, those above it."""


def steps_up(word: str) -> dict[str, int]:
    """The fewest steps from a word to each word above it, itself included.

    >>> steps_up("lifeboat")["vehicle"]
    5
    """
    reached, level, steps = {}, {word}, 0
    while level:
        reached |= {above: steps for above in level if above not in reached}
        level, steps = {above for below in level for above in HYPERNYMS.get(below, ())}, steps + 1
    return reached


def distances(categories: Sequence[str]) -> list[int]:
    """The fewest steps over a common hypernym, for each pair of categories in the order of ``combinations``.

    Raises
    ------
    NotRecorded
        If the path of a category is not written down here.

    Examples
    --------
    >>> distances(["tabby", "golden retriever", "orange"])
    [7, 14, 17]
    """
    if unknown := [name for name in categories if name not in HYPERNYMS]:
        raise NotRecorded(f"the WordNet hypernyms of {', '.join(unknown)}")
    up = [steps_up(name) for name in categories]
    return [min(a[word] + b[word] for word in a.keys() & b.keys()) for a, b in combinations(up, 2)]
