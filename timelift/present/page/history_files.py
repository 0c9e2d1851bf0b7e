"""The folder of a history: Markdown, CSV of cases and of changes, and a figure a workload."""

from pathlib import Path

from timelift.analyse.changes.history import History
from timelift.present import history_report
from timelift.present.figures import plot, plot_history
from timelift.present.folder import clear
from timelift.present.folder import write as write_file


def write(history: History, folder: Path) -> list[Path]:
    """Write the tables and figures of a history; raises UserError where that cannot be done."""
    pictures = plot.save(plot_history.figures(history), folder)
    names = [picture.name for picture in pictures if picture.suffix == ".svg"]
    texts = {
        "history.md": history_report.markdown_history(history, names),
        "history.csv": history_report.csv_history(history),
        "changes.csv": history_report.csv_changes(history),
    }
    written = [write_file(folder / name, text) for name, text in texts.items()] + pictures
    clear(folder, "history", written)
    return written
