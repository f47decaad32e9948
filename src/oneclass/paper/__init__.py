"""The paper's experiments (Andrews, Tanay, Morton and Griffin, 2016).

tables      Table 1, the tasks, and Table 3, the printed figures, as data
protocol    section 4: what is drawn, fitted and averaged
output      the table, ours beside the paper's
"""
