"""DataFrames to plotly figures, and the one way in which a cell is drawn."""
