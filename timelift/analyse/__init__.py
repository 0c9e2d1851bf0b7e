"""From runs to findings, with numpy and scipy: never a sentence."""
