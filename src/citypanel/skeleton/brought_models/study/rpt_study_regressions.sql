{{ study_table() }}
