"""What is not as it should be: what killed verbs and others' writes leave, copies of stubs, copies that went bad."""
