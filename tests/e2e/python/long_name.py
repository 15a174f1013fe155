# Objects of a type with a long name, held by a module: for the width of a report.
class Session_that_nobody_would_like_to_read_in_a_line_of_sixty_columns:
    pass


sessions = [Session_that_nobody_would_like_to_read_in_a_line_of_sixty_columns() for i in range(300)]
