from otgan.gan.training.schedule import FULL, QUICK, Schedule


def test_a_schedule_is_what_is_asked_for_or_was_before_or_about_25_evaluations():
    assert Schedule.choose(10000, None, None, default=3000) == Schedule(10000, 20, 100, 400)
    assert Schedule.choose(None, None, None, default=3000) == Schedule(3000, 20, 100, 100)
    assert Schedule.choose(500, None, None, default=3000) == Schedule(500, 20, 100, 100)
    assert Schedule.choose(3000, 7, 9, default=10) == Schedule(3000, 20, 7, 9)
    before = Schedule.choose(6000, 7, 9, default=3000)
    assert Schedule.choose(9000, None, None, default=3000, before=before) == Schedule(9000, 20, 7, 9)
    assert Schedule.choose(9000, 8, None, default=3000, before=before) == Schedule(9000, 20, 8, 9)
    assert Schedule.choose(None, None, None, default=3000, before=before) == before


def test_what_follows_a_step():
    schedule = Schedule(50, log_every=6, save_every=10, evaluate_every=15)
    steps = range(1, 51)
    assert [step for step in steps if schedule.saves(step)] == [10, 20, 30, 40, 50]
    assert [step for step in steps if schedule.evaluates(step)] == [15, 30, 45, 50]
    assert [step for step in steps if schedule.logs(step)] == [
        *(6, 10, 12, 15, 18, 20, 24, 30, 36, 40, 42, 45, 48, 50)
    ]
    assert [schedule.evaluated(step) for step in (0, 15, 50)] == [QUICK, QUICK, FULL]
