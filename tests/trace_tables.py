"""TRACE's published matrices: scores on the diagonal and in the last row, published OP and BWT, and two full triangles.

Source: Wang et al. 2023, arXiv 2310.06762, tables 7-22 and 26; the triangles are those behind tables 8 and 18.
"""

from __future__ import annotations

import numpy as np

TABLES = """
table 7, Baichuan2-7B SeqFT    | .62 .681 .442 .626 .77 .358 .64 .415   | .579 .335 .364 .58 .44 .284 .475 .415  | .434 -.154
table 8, Llama2-7B SeqFT       | .5 .735 .523 .58 .764 .383 .582 .408   | .454 .609 .457 .512 .637 .272 .548 .408 | .487 -.083
table 9, Llama2-13B SeqFT      | .469 .754 .533 .568 .8 .333 .618 .408  | .5 .717 .351 .547 .55 .296 .622 .408   | .499 -.07
table 10, Vicuna-7B SeqFT      | .532 .738 .519 .577 .773 .407 .578 .403 | .476 .675 .439 .482 .649 .296 .517 .403 | .492 -.084
table 11, Vicuna-13B SeqFT     | .527 .741 .549 .564 .79 .346 .622 .41  | .484 .714 .412 .552 .633 .358 .572 .41 | .517 -.059
table 12, Baichuan2-7B LoRA    | .613 .652 .345 .588 .641 .457 .43 .407 | .477 .417 .337 .472 .63 .407 .36 .407  | .438 -.09
table 13, Llama2-7B LoRA       | .511 .713 .51 .578 .68 .37 .486 .37    | .277 .24 .121 .004 0 0 0 .37           | .127 -.457
table 14, Llama2-13B LoRA      | .62 .743 .484 .581 .75 .58 .62 .417    | .124 0 .122 .249 .68 .259 .386 .417    | .28 -.365
table 15, Vicuna-7B LoRA       | .514 .715 .5 .573 .67 .407 .545 .409   | .141 .29 .07 .413 .6 .259 .492 .409    | .334 -.237
table 16, Vicuna-13B LoRA      | .524 .74 .495 .6 .77 .407 .569 .413    | .07 .04 .14 .256 .74 .346 .52 .413     | .316 -.284
table 17, Baichuan2-7B Replay  | .57 .69 .445 .546 .58 .321 .5 .405     | .61 .61 .482 .583 .57 .333 .55 .405    | .517 .011
table 18, Llama2-7B Replay     | .471 .734 .499 .543 .763 .358 .486 .406 | .5 .8 .51 .55 .785 .37 .52 .406       | .555 .026
table 19, Llama2-13B Replay    | .5 .778 .484 .523 .816 .358 .628 .407  | .51 .813 .482 .523 .792 .396 .606 .407 | .566 .004
table 20, Vicuna-7B Replay     | .5 .747 .512 .525 .77 .396 .554 .405   | .524 .806 .496 .551 .767 .309 .563 .405 | .553 .002
table 21, Vicuna-13B Replay    | .56 .736 .464 .544 .71 .42 .667 .41    | .629 .76 .451 .554 .71 .358 .68 .41    | .569 .006
table 22, Llama2-7B RCL        | .614 .621 .497 .563 .72 .691 .566 .402 | .522 .516 .343 .527 .598 .469 .354 .402 | .466 -.135
table 26, Llama2-7B, order 2   | .333 .61 .751 .408 .538 .569 .506 .46  | .309 .587 0 .389 0 .494 .387 .46       | .329 -.221
""".strip().splitlines()

SEQFT_TRIANGLE = """.5 / .456 .735 / .448 .67 .523 / .453 .658 .459 .58 / .435 0 .433 .459 .764 /
    .442 .595 .446 .509 .636 .383 / .436 .577 .442 .508 .45 .247 .582 / .454 .609 .457 .512 .637 .272 .548 .408"""
REPLAY_TRIANGLE = """.471 / .487 .734 / .485 .769 .499 / .5 .785 .496 .543 / .486 .807 .507 .561 .763 /
    .475 .781 .494 .546 .78 .358 / .493 .785 .492 .552 .78 .309 .486 / .5 .8 .51 .55 .785 .37 .52 .406"""


def numbers(text: str) -> list[float]:
    return [float(word) for word in text.split()]


def triangle(text: str) -> np.ndarray:
    rows = [numbers(row) for row in text.split("/")]
    matrix = np.full((len(rows), len(rows)), np.nan)
    for t, row in enumerate(rows):
        matrix[t, : len(row)] = row
    return matrix
