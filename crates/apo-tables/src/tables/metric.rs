//! The table of a training's steps.

use super::shared::one_per_column;
use crate::schema::{ColumnType, Row, Table, Value, optional, required};

/// One optimiser step of a training.
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Metric {
    /// The step, from 1.
    pub step: i64,
    /// Passes over the training's examples so far.
    pub epoch: f32,
    /// The loss.
    pub loss: f32,
    /// The learning rate.
    pub lr: f32,
    /// Global norm of the gradient, before clipping.
    pub grad_norm: f32,
    /// Tokens computed in this step.
    pub tokens: i64,
    /// Tokens computed per second.
    pub tokens_per_second: f32,
    /// Mean reward of the preferred responses.
    pub rewards_chosen: Option<f32>,
    /// Mean reward of the others.
    pub rewards_rejected: Option<f32>,
    /// Mean difference of the two.
    pub rewards_margins: Option<f32>,
    /// Fraction of pairs in the right order.
    pub rewards_accuracies: Option<f32>,
    /// Mean log-prob of the preferred responses, nats.
    pub logps_chosen: Option<f32>,
    /// Mean log-prob of the others, nats.
    pub logps_rejected: Option<f32>,
}

impl Row for Metric {
    const TABLE: &'static Table = &Table {
        name: "metrics",
        written_by: &["rm-train", "align"],
        columns: &[
            required("step", ColumnType::Int64, "optimiser step, from 1"),
            required(
                "epoch",
                ColumnType::Float32,
                "passes over the training's examples so far",
            ),
            required("loss", ColumnType::Float32, "loss of the step"),
            required("lr", ColumnType::Float32, "learning rate"),
            required(
                "grad_norm",
                ColumnType::Float32,
                "global norm of the gradient, before clipping",
            ),
            required("tokens", ColumnType::Int64, "tokens computed in the step"),
            required(
                "tokens_per_second",
                ColumnType::Float32,
                "tokens computed per second",
            ),
            optional(
                "rewards/chosen",
                ColumnType::Float32,
                "mean reward of the preferred",
            ),
            optional(
                "rewards/rejected",
                ColumnType::Float32,
                "mean reward of the others",
            ),
            optional(
                "rewards/margins",
                ColumnType::Float32,
                "mean difference of the two",
            ),
            optional(
                "rewards/accuracies",
                ColumnType::Float32,
                "fraction of pairs in the right order",
            ),
            optional(
                "logps/chosen",
                ColumnType::Float32,
                "mean log-prob of the preferred, nats",
            ),
            optional(
                "logps/rejected",
                ColumnType::Float32,
                "mean log-prob of the others, nats",
            ),
        ],
    };

    fn each(&self, put: &mut dyn FnMut(Value<'_>)) {
        put(self.step.into());
        put(self.epoch.into());
        put(self.loss.into());
        put(self.lr.into());
        put(self.grad_norm.into());
        put(self.tokens.into());
        put(self.tokens_per_second.into());
        put(self.rewards_chosen.into());
        put(self.rewards_rejected.into());
        put(self.rewards_margins.into());
        put(self.rewards_accuracies.into());
        put(self.logps_chosen.into());
        put(self.logps_rejected.into());
    }

    fn of(values: &[Value<'_>]) -> Result<Self, (&'static str, String)> {
        let [
            step,
            epoch,
            loss,
            lr,
            grad_norm,
            tokens,
            tokens_per_second,
            rewards_chosen,
            rewards_rejected,
            rewards_margins,
            rewards_accuracies,
            logps_chosen,
            logps_rejected,
        ] = one_per_column(values);
        let float = |value: &Value<'_>| value.float().unwrap_or(f32::NAN);
        Ok(Self {
            step: step.int().unwrap_or(0),
            epoch: float(epoch),
            loss: float(loss),
            lr: float(lr),
            grad_norm: float(grad_norm),
            tokens: tokens.int().unwrap_or(0),
            tokens_per_second: float(tokens_per_second),
            rewards_chosen: rewards_chosen.float(),
            rewards_rejected: rewards_rejected.float(),
            rewards_margins: rewards_margins.float(),
            rewards_accuracies: rewards_accuracies.float(),
            logps_chosen: logps_chosen.float(),
            logps_rejected: logps_rejected.float(),
        })
    }
}
