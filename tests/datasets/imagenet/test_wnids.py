"""The WordNet ids of ImageNet-1K against timm's list, and against mmpretrain's names of the classes."""

from importlib.resources import files

from mmpretrain.datasets.categories import IMAGENET_CATEGORIES

from mmsimmim.datasets.imagenet.wnids import WNIDS


def test_ids_are_those_of_timm_in_the_order_of_the_labels():
    assert list(WNIDS) == files('timm').joinpath('data/_info/imagenet_synsets.txt').read_text().split()
    assert list(WNIDS) == sorted(set(WNIDS)) and len(WNIDS) == 1000


def test_their_order_is_that_of_mmpretrains_classes():
    lemmas = dict(line.split('\t') for line in
                  files('timm').joinpath('data/_info/imagenet_synset_to_lemma.txt').read_text().splitlines())
    same = [lemmas[wnid].split(',')[0].lower() == name.split(',')[0].lower()
            for wnid, name in zip(WNIDS, IMAGENET_CATEGORIES)]
    assert sum(same) > 950  # a few names have been corrected over the years
