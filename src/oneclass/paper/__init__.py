"""The paper's experiments (Andrews, Tanay, Morton and Griffin, 2016).

tables       Table 1, the tasks, and Table 3, the printed figures, as data
protocol     section 4: what is drawn, fitted and averaged
rows         images through the networks, each once
experiment   every representation on every task of a data set
standins     which printed figure is compared with which of ours
comparisons  section 5: Wilcoxon's test between representations and networks
output       the table, ours beside the paper's: Markdown and JSON
page         the same as a page, with plots
"""
