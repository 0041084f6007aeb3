//! What a plugin tells about its progress on the FIFO. It never decides a result, so lines that are no progress
//! are dropped silently.

use serde::{Deserialize, Serialize};

/// A plan or a step's text may not be longer than a page can show.
const MAX_STEPS: usize = 50;
const MAX_TEXT: usize = 200;
const MAX_LINE: usize = 16 * 1024;
/// A plugin that floods the FIFO is heard no more after this many lines.
const MAX_LINES: usize = 10_000;

/// One line of progress; what is absent stays as it was.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Progress {
    /// The plan: the names of all steps, in order, at most 50.
    pub steps: Option<Vec<String>>,
    /// The step that is current now; the ones before it are done.
    pub step: Option<String>,
    /// A remark on the current step.
    pub note: Option<String>,
    /// How much is done, 0 to 100.
    pub percent: Option<f64>,
}

impl Progress {
    /// Reads one line; `None` when it is no JSON object of this form, or says nothing.
    pub fn parse(line: &[u8]) -> Option<Self> {
        let mut progress: Self = serde_json::from_slice(line).ok()?;
        progress.percent = progress.percent.map(|percent| percent.clamp(0.0, 100.0));
        if let Some(steps) = &mut progress.steps {
            steps.truncate(MAX_STEPS);
            steps.iter_mut().for_each(shorten);
        }
        progress.step.iter_mut().chain(&mut progress.note).for_each(shorten);
        (progress != Self::default()).then_some(progress)
    }
}

fn shorten(text: &mut String) {
    text.retain(|character| !character.is_control());
    if let Some((end, _)) = text.char_indices().nth(MAX_TEXT) {
        text.truncate(end);
    }
}

/// Puts lines together out of what is read from the FIFO.
#[derive(Default)]
pub(crate) struct ProgressLines {
    partial: Vec<u8>,
    seen: usize,
}

impl ProgressLines {
    /// Takes bytes as they come, gives the lines that are complete.
    pub fn push(&mut self, bytes: &[u8]) -> Vec<Progress> {
        let mut found = Vec::new();
        for piece in bytes.split_inclusive(|&byte| byte == b'\n') {
            self.partial.extend_from_slice(piece.get(..MAX_LINE.min(piece.len())).unwrap_or_default());
            if piece.ends_with(b"\n") {
                found.extend(self.take_line());
            } else if self.partial.len() > MAX_LINE {
                self.partial.truncate(MAX_LINE);
            }
        }
        found
    }

    fn take_line(&mut self) -> Option<Progress> {
        let line = std::mem::take(&mut self.partial);
        self.seen += 1;
        if self.seen > MAX_LINES || line.len() > MAX_LINE {
            return None;
        }
        Progress::parse(&line)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_put_together_and_nonsense_is_dropped() {
        let mut lines = ProgressLines::default();
        assert!(lines.push(b"{\"perc").is_empty());
        let found = lines.push(b"ent\":140}\nnonsense\n{}\n[1]\n{\"step\":\"a\\u0000b\"}\n");
        assert_eq!(found.len(), 2);
        assert_eq!(found[0].percent, Some(100.0));
        assert_eq!(found[1].step.as_deref(), Some("ab"));
    }

    #[test]
    fn a_line_without_end_keeps_memory_bounded() {
        let mut lines = ProgressLines::default();
        for _ in 0..100 {
            assert!(lines.push(&[b'x'; 4096]).is_empty());
        }
        assert!(lines.partial.len() <= MAX_LINE);
        assert!(lines.push(b"\n").is_empty());
        assert_eq!(lines.push(b"{\"percent\":1}\n").len(), 1);
    }
}
