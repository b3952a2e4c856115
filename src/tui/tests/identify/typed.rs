//! Names that are typed.

use super::*;

#[test]
fn a_name_is_found_by_its_beginning_and_names_that_fit_are_shown() {
    let mut model = open((160, 50));
    let mut named = (*read(three(), (9, 2))).clone();
    named.names = ["Anna", "Annabel", "Bo", "Joanna"].map(str::to_owned).into();
    drive(&mut model, vec![Message::Session("/g".into(), "/week".into(), Ok(named.into()))]);
    drive(&mut model, vec![keys("/bO"), vec![key(KeyCode::Enter)]].concat_all());
    assert_eq!(model.identify.shown_name(), Some("Bo"));
    // the whole name is that one, also where another goes on
    drive(&mut model, vec![keys("/anna"), vec![key(KeyCode::Enter)]].concat_all());
    assert_eq!(model.identify.shown_name(), Some("Anna"));
    let (buffer, ..) = drive(&mut model, keys("/aN"));
    assert!(text(&buffer).contains("Anna · Annabel · Joanna"), "{}", text(&buffer));
    drive(&mut model, vec![key(KeyCode::Enter)]);
    assert_eq!(refused(&model), "Anna and Annabel begin so: type on");
    drive(&mut model, vec![keys("x"), vec![key(KeyCode::Enter)]].concat_all());
    assert_eq!(refused(&model), "nobody is called aNx: Esc, then n makes a new individual");
    assert_eq!(model.identify.shown_name(), Some("Anna"));
}
