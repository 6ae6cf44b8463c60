"""PyTorch's examples of batch processing by async functions, written anew: a parameter server that updates its model
once for the gradients of all trainers, and an agent that chooses the actions of all observers by one forward pass.
In the words of ``torch.distributed.rpc``; the models are small enough to be calculated once more without any calls.
"""

import importlib
import math
import threading

import numpy
import onward.rpc as rpc
import pytest
from world import run_world

LIBRARIES = ["numpy", "torch"]


def tensor_of(library):
    """What makes a tensor, or an array, of numbers of double precision."""
    if library == "torch":
        torch = importlib.import_module("torch")
        return lambda numbers: torch.tensor(numbers, dtype=torch.float64)
    return lambda numbers: numpy.array(numbers, dtype=numpy.float64)


def stack_of(library):
    return importlib.import_module(library).stack


# The parameter server.

TRAINERS = 3
STEPS = 20
LEARNING_RATE = 0.1


class BatchUpdateParameterServer:
    """Fits a line: its model is two numbers."""

    def __init__(self, library):
        self.stack = stack_of(library)
        self.model = tensor_of(library)([0.0, 0.0])
        self.lock = threading.Lock()
        self.future_model = rpc.Future()
        self.gradients = []
        self.update_count = 0
        self.answers = set()

    def get_model(self):
        return self.model

    def add(self, gradient):
        with self.lock:
            self.gradients.append(gradient)
            future = self.future_model
            self.answers.add(id(future))
            if len(self.gradients) == TRAINERS:
                self.model = self.model - LEARNING_RATE * self.stack(self.gradients).mean(0)
                self.gradients = []
                self.future_model = rpc.Future()
                self.update_count += 1
                future.set_result(self.model)
        return future

    @staticmethod
    @rpc.functions.async_execution
    def update_and_fetch_model(gradient):
        return server.add(gradient)

    @staticmethod
    def fetch_model():
        return server.get_model()

    @staticmethod
    def counts():
        return server.update_count, len(server.gradients)


server = None


def start_server(library):
    global server
    server = BatchUpdateParameterServer(library)


class Trainer:
    """Has points of the line y = 3x - 1."""

    def __init__(self, number, library):
        tensor = tensor_of(library)
        points = [(number * 4 + i) / (TRAINERS * 4) for i in range(4)]
        self.inputs = tensor([[x, 1.0] for x in points])
        self.labels = tensor([3 * x - 1 for x in points])

    def gradient(self, model):
        return self.inputs.T @ (self.inputs @ model - self.labels) / len(self.labels)


def train(parameter_server, number, library):
    """All models that a trainer has seen."""
    trainer = Trainer(number, library)
    model = rpc.rpc_sync(parameter_server, BatchUpdateParameterServer.fetch_model)
    models = [model.tolist()]
    for _ in range(STEPS):
        model = rpc.rpc_sync(parameter_server, BatchUpdateParameterServer.update_and_fetch_model,
                             args=(trainer.gradient(model),))
        models.append(model.tolist())
    return models


def models_without_calls(library):
    trainers = [Trainer(number, library) for number in range(TRAINERS)]
    model = tensor_of(library)([0.0, 0.0])
    models = [model.tolist()]
    for _ in range(STEPS):
        gradients = [trainer.gradient(model) for trainer in trainers]
        model = model - LEARNING_RATE * stack_of(library)(gradients).mean(0)
        models.append(model.tolist())
    return models


def run_parameter_server(world):
    """Of the server: has the other nodes train."""
    start_server(world.argument)
    futures = [rpc.rpc_async(rank, train, args=(rpc.get_worker_info(), rank - 1, world.argument))
               for rank in range(1, world.size)]
    seen = rpc.wait_all(futures)
    assert seen[0] == seen[1] == seen[2]  # each step, all trainers have got one and the same model
    numpy.testing.assert_allclose(seen[0], models_without_calls(world.argument), rtol=1e-9)
    assert rpc.rpc_sync("node0", BatchUpdateParameterServer.counts) == (STEPS, 0)
    assert seen[0][0] != seen[0][1] != seen[0][-1]


@pytest.mark.parametrize("library", LIBRARIES)
def test_a_parameter_server_updates_once_for_all_trainers(library):
    pytest.importorskip(library)
    run_world(run_parameter_server, size=1 + TRAINERS, argument=library)


def test_one_future_answers_all_trainers_of_a_batch(node):
    start_server("numpy")
    gradients = [numpy.array([number, 1.0]) for number in range(TRAINERS)]
    update = BatchUpdateParameterServer.update_and_fetch_model
    early = [rpc.rpc_async(node, update, args=(gradient,)) for gradient in gradients[:-1]]
    while rpc.rpc_sync(node, BatchUpdateParameterServer.counts) != (0, TRAINERS - 1):
        assert not any(future.done() for future in early)
    last = rpc.rpc_async(node, update, args=(gradients[-1],))
    models = rpc.wait_all(early + [last])
    for model in models:
        numpy.testing.assert_allclose(model, [-LEARNING_RATE * 1.0, -LEARNING_RATE])
    assert len(server.answers) == 1


# The agent.

OBSERVERS = 3
EPISODES = 4
MAX_STEPS = 30


class Pole:
    """A pole on a cart, as physics has it; it has fallen beyond twelve degrees."""

    def __init__(self, seed):
        self.random = numpy.random.default_rng(seed)

    def reset(self):
        self.state = self.random.uniform(-0.05, 0.05, size=4)
        return self.state.copy()

    def step(self, action):
        x, x_speed, angle, angle_speed = self.state
        force = 10.0 if action == 1 else -10.0
        push = (force + 0.05 * angle_speed ** 2 * math.sin(angle)) / 1.1
        turn = (9.8 * math.sin(angle) - math.cos(angle) * push) / (0.5 * (4 / 3 - 0.1 * math.cos(angle) ** 2 / 1.1))
        pull = push - 0.05 * turn * math.cos(angle) / 1.1
        self.state = self.state + 0.02 * numpy.array([x_speed, pull, angle_speed, turn])
        done = abs(self.state[0]) > 2.4 or abs(self.state[2]) > 12 * math.pi / 180
        return self.state.copy(), 1.0, bool(done)


class Policy:
    """The chance to push right, of states, and how it is taught."""

    def __init__(self, library):
        self.library = library
        self.tensor = tensor_of(library)
        self.weights = self.tensor([0.1, 0.2, 0.3, 0.4])
        self.random = numpy.random.default_rng(7)
        self.forward_count = 0

    def choose(self, states):
        """One forward pass for all. The actions, and the gradients of their chances."""
        self.forward_count += 1
        chances = 1 / (1 + importlib.import_module(self.library).exp(-(states @ self.weights)))
        actions = [int(self.random.random() < float(chance)) for chance in chances]
        return actions, [(action - chance) * state for action, chance, state in zip(actions, chances, states)]

    def learn(self, gradients, reward):
        self.weights = self.weights + 0.01 * reward * sum(gradients)


class Agent:
    """Acts for all observers in one step: answers the observers when all have asked."""

    def __init__(self, library):
        self.tensor = tensor_of(library)
        self.policy = Policy(library)
        self.lock = threading.Lock()
        self.future_actions = rpc.Future()
        self.pending_states = OBSERVERS
        self.states = self.tensor([[0.0] * 4 for _ in range(OBSERVERS)])
        self.gradients = []
        self.history = []

    @staticmethod
    @rpc.functions.async_execution
    def select_action(observer_id, state):
        self = agent
        future_action = self.future_actions.then(lambda future_actions: future_actions.wait()[observer_id])
        with self.lock:
            self.states[observer_id] = self.tensor(state)
            self.pending_states -= 1
            if self.pending_states == 0:
                self.pending_states = OBSERVERS
                actions, gradients = self.policy.choose(self.states)
                self.gradients += gradients
                self.history.append(actions)
                future_actions, self.future_actions = self.future_actions, rpc.Future()
                future_actions.set_result(actions)
        return future_action

    def run_episode(self, names):
        """What the observers have earned."""
        futures = [rpc.rpc_async(name, run_observer, args=(rpc.get_worker_info(), number))
                   for number, name in enumerate(names)]
        rewards = rpc.wait_all(futures)
        self.policy.learn(self.gradients, sum(rewards) / len(rewards))
        self.gradients = []
        return rewards


agent = None
poles = {}


class Episode:
    """What an observer does: one that has fallen starts again, so that all ask at each step."""

    def __init__(self, number):
        self.pole = poles.setdefault(number, Pole(number))
        self.state = self.pole.reset()
        self.reward = 0.0

    def step(self, action):
        self.state, reward, done = self.pole.step(action)
        self.reward += reward if not done else -5.0
        if done:
            self.state = self.pole.reset()


def run_observer(agent_info, number):
    episode = Episode(number)
    for _ in range(MAX_STEPS):
        episode.step(rpc.rpc_sync(agent_info, Agent.select_action, args=(number, episode.state.tolist())))
    return episode.reward


def run_without_calls(library):
    """The rewards of all episodes, the policy in the end, and what was chosen."""
    policy, rewards, history = Policy(library), [], []
    poles.clear()
    for _ in range(EPISODES):
        episodes, gradients = [Episode(number) for number in range(OBSERVERS)], []
        for _ in range(MAX_STEPS):
            actions, new = policy.choose(policy.tensor([episode.state.tolist() for episode in episodes]))
            gradients += new
            history.append(actions)
            for episode, action in zip(episodes, actions):
                episode.step(action)
        rewards.append([episode.reward for episode in episodes])
        policy.learn(gradients, sum(rewards[-1]) / OBSERVERS)
    return rewards, policy, history


def run_agent(world):
    global agent
    agent = Agent(world.argument)
    names = [f"node{rank}" for rank in range(1, world.size)]
    rewards = [agent.run_episode(names) for _ in range(EPISODES)]
    # One forward pass for each step of all.
    assert agent.policy.forward_count == EPISODES * MAX_STEPS
    expected_rewards, expected_policy, expected_history = run_without_calls(world.argument)
    assert rewards == expected_rewards
    assert agent.history == expected_history
    assert {tuple(actions) for actions in agent.history} > {(0, 0, 0), (1, 1, 1)}  # they differ
    numpy.testing.assert_allclose(agent.policy.weights.tolist(), expected_policy.weights.tolist(), rtol=1e-9)


@pytest.mark.parametrize("library", LIBRARIES)
def test_an_agent_chooses_the_actions_of_all_observers_at_once(library):
    pytest.importorskip(library)
    run_world(run_agent, size=1 + OBSERVERS, argument=library)


def test_no_observer_is_answered_before_all_have_asked(node):
    global agent
    agent = Agent("numpy")
    early = [rpc.rpc_async(node, Agent.select_action, args=(number, [0.1] * 4)) for number in range(OBSERVERS - 1)]
    while rpc.rpc_sync(node, pending) != 1:
        assert not any(future.done() for future in early)
    last = rpc.rpc_async(node, Agent.select_action, args=(OBSERVERS - 1, [0.1] * 4))
    assert rpc.wait_all(early + [last]) == agent.history[0]
    assert agent.policy.forward_count == 1


def pending():
    return agent.pending_states
