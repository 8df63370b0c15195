"""The metric averages over images, whatever the batches."""

from mmengine.evaluator import Evaluator

from mmsimmim.evaluation import ReconstructionLoss


def test_mean_over_images():
    evaluator = Evaluator(ReconstructionLoss())
    for batch in ([1., 2.], [6.]):
        evaluator.process([dict(reconstruction_loss=loss) for loss in batch])
    assert evaluator.evaluate(3) == {'reconstruction/masked_loss': 3.0}
