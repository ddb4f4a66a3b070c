"""The network: from the graph of a molecule to its boiling point. Its layers GraphConv and GraphPool are plugins (plugins/) to ctc."""

import ctc_torch
import torch
import torch.nn.functional as F
from torch import nn

WIDTH, LAYERS = 48, 4


class GraphConv(nn.Module):
    """y[i] = weight · sum of x[j] over the edges j to i + self_weight · x[i] + bias"""

    aggregation = "sum"

    def __init__(self, inputs, outputs):
        super().__init__()
        self.weight = nn.Parameter(torch.empty(outputs, inputs))
        self.self_weight = nn.Parameter(torch.empty(outputs, inputs))
        self.bias = nn.Parameter(torch.zeros(outputs))
        for weight in (self.weight, self.self_weight):
            nn.init.xavier_uniform_(weight)

    def forward(self, x, edges):
        messages = torch.zeros_like(x).index_add(0, edges[1], x[edges[0]])
        return F.linear(messages, self.weight) + F.linear(x, self.self_weight, self.bias)


class GraphPool(nn.Module):
    """The sum over the nodes of each graph; starts has the first node of each one, and the number of all nodes."""

    aggregation = "sum"

    def forward(self, x, starts):
        graph = torch.repeat_interleave(torch.arange(len(starts) - 1), starts.diff())
        return torch.zeros(len(starts) - 1, x.shape[1]).index_add(0, graph, x)


ctc_torch.register(GraphConv, fields=["aggregation"])
ctc_torch.register(GraphPool, fields=["aggregation"])


class Net(nn.Module):
    """atoms [A, features], edges [2, E] and starts [M + 1] to the boiling points [M, 1] of M molecules, in kelvins."""

    def __init__(self, features):
        super().__init__()
        self.convs = nn.ModuleList(GraphConv(WIDTH if i else features, WIDTH) for i in range(LAYERS))
        self.pool = GraphPool()
        self.head = nn.Sequential(nn.Linear(WIDTH, WIDTH), nn.ReLU(), nn.Linear(WIDTH, 1))
        self.register_buffer("mean", torch.tensor(0.0))
        self.register_buffer("spread", torch.tensor(1.0))

    def forward(self, atoms, edges, starts):
        for conv in self.convs:
            atoms = F.relu(conv(atoms, edges))
        return self.head(self.pool(atoms, starts)) * self.spread + self.mean
